"""A second home of files without a network: a folder that speaks as tenants' object storage does, and can be out of order."""

from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage

from zenpro_site.common.shared_files import SILENT, StorageFailed


class SharedFolder(FileSystemStorage):
    """SharedFiles in a folder. `trouble`: what every call fails with; `log`: (call, name) of all there were."""

    def __init__(self, location: str):
        super().__init__(location=location, allow_overwrite=True)
        self.trouble: StorageFailed | None = None
        self.log: list[tuple[str, str]] = []

    def put(self, name: str, file: BinaryIO) -> None:
        self._called("put", name)
        self.save(name, File(file, name))

    def end_of(self, name: str, most: int, seconds: float) -> bytes:
        self._called("end_of", name)
        return Path(self.path(name)).read_bytes()[-most:]

    def fetch(self, name: str, target: BinaryIO, most: int, seconds: float) -> None:
        self._called("fetch", name)
        content = Path(self.path(name)).read_bytes()
        if len(content) > most:
            raise StorageFailed("the object is larger than anything stored there.")
        target.write(content)

    def remove(self, name: str) -> None:
        self._called("remove", name)
        self.delete(name)

    def listed(self, folder: str) -> dict[str, datetime]:
        self._called("listed", folder)
        home = Path(self.path(folder))
        names = [str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()]
        return {name: self.get_modified_time(f"{folder}/{name}") for name in names}

    def fall_silent(self) -> None:
        self.trouble = StorageFailed(SILENT, is_silent=True)

    def _called(self, call: str, name: str) -> None:
        self.log.append((call, name))
        if self.trouble:
            raise self.trouble
