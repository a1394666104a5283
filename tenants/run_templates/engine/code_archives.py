"""Frozen code as an archive, for the pod of a run."""

import os
import tarfile
import tempfile
from pathlib import Path
from typing import BinaryIO


def packed(folder: Path) -> BinaryIO:
    """A .tar of what is in a frozen folder, in a file that has no name and begins at its beginning. Raises OSError.

    Links stay links: what was frozen leads nowhere else.
    """
    file = tempfile.TemporaryFile(dir=folder.parent)  # noqa: SIM115 - whoever sends it closes it
    try:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for path in sorted(folder.rglob("*")):
                if path.is_symlink() or path.is_file():
                    add(archive, path, str(path.relative_to(folder)))
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    """A file or a link, without owners and times of this machine."""
    member = tarfile.TarInfo(name)
    if path.is_symlink():
        member.type, member.linkname = tarfile.SYMTYPE, os.readlink(path)
        archive.addfile(member)
        return
    with open(path, "rb") as reader:
        found = os.fstat(reader.fileno())
        member.size, member.mode = found.st_size, 0o755 if found.st_mode & 0o100 else 0o644
        archive.addfile(member, reader)
