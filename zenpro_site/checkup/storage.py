"""Check of the object storage that machines share: can a file be written there, read, listed and removed again?"""

import io
from collections.abc import Callable
from urllib.parse import urlsplit
from uuid import uuid4

from django.conf import settings

from zenpro_site.common import shared_files
from zenpro_site.common.shared_files import StorageFailed

from .findings import Finding, ok, problem, warning
from .network import is_here

REMEDY = "Check ZENPRO_STORAGE, ZENPRO_STORAGE_ENDPOINT, the credentials, and what they allow in the bucket."
FOLDER = "probe"
SECONDS = 10.0


def check_storage() -> list[Finding]:
    """Leaves nothing behind, unless it is the removal that fails."""
    if not shared_files.is_set():
        return [ok("No object storage is set: code and outputs are in the data folder alone.")]
    shared_files.forget_silence()
    if failed := _first_failure(uuid4().hex):
        return [problem(f"The object storage can't be used: {failed}", REMEDY)]
    try:
        shared_files.claim()
    except StorageFailed as error:
        return [problem(f"The object storage can't be used: {error.reason}", REMEDY)]
    return [ok("The object storage takes files, and they can be read, listed and removed."), *_unencrypted()]


def _unencrypted() -> list[Finding]:
    parts = urlsplit(settings.STORAGES[shared_files.ALIAS]["OPTIONS"].get("endpoint_url") or "")
    if parts.scheme != "http" or is_here(parts.hostname or ""):
        return []
    text = f"The object storage at {parts.netloc} is not encrypted: code and outputs can be read in transit."
    return [warning(text, "Use an https:// address in ZENPRO_STORAGE_ENDPOINT.")]


def _first_failure(text: str) -> str:
    name, content = f"{FOLDER}/{text}", text.encode()
    steps: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("Writing a file", lambda: _put(name, content)),
        ("Reading it", lambda: shared_files.end_of(name, len(content) + 1, SECONDS) == content),
        ("Reading its end", lambda: shared_files.end_of(name, 5, SECONDS) == content[-5:]),
        ("Listing it", lambda: text in shared_files.listed(FOLDER)),
        ("Removing it", lambda: _removed(name)),
    )
    for words, step in steps:
        try:
            if not step():
                return f"{words} gives something else than was written."
        except FileNotFoundError:
            return f"{words} finds nothing."
        except StorageFailed as error:
            return f"{words} fails: {error.reason}"
    return ""


def _put(name: str, content: bytes) -> bool:
    shared_files.put(name, io.BytesIO(content))
    return True


def _removed(name: str) -> bool:
    shared_files.remove(name)
    return name.rpartition("/")[2] not in shared_files.listed(FOLDER)
