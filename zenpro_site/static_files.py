"""How static files are kept for browsers: hashed, compressed, and our scripts without comments and indentation."""

from collections.abc import Iterator
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.files.base import ContentFile
from django.core.management import call_command
from rjsmin import jsmin
from whitenoise.storage import CompressedManifestStaticFilesStorage

OURS = "js/"
MAKERS = ("django", "whitenoise", "brotli", "rjsmin")


class SlimStaticFilesStorage(CompressedManifestStaticFilesStorage):
    """What libraries bring along stays as it is."""

    def _save(self, name, content):
        if name.startswith(OURS) and name.endswith(".js"):
            content = ContentFile(slim(b"".join(content.chunks())))  # from its start: others have read it
        return super()._save(name, content)


def slim(script: bytes) -> bytes:
    """The same script, shorter."""
    return jsmin(script.decode()).encode()


def collect() -> bool:
    """Make STATIC_ROOT anew unless what is there was made from the same files; True when it was.

    Compressing takes ten seconds, and most starts change nothing. From scratch, since a file that comes with a
    package can be older than the one of the release before, which would stay.
    """
    mark = Path(settings.STATIC_ROOT).with_suffix(".made")
    if mark.exists() and mark.read_text() == _state():
        return False
    mark.unlink(missing_ok=True)
    call_command("collectstatic", clear=True, verbosity=0, interactive=False)
    mark.write_text(_state())
    return True


def _state() -> str:
    """Changes with any file it is made from or any that was made, and with what makes them."""
    found = sha256(Path(__file__).read_bytes())
    for line in (*map(_release, MAKERS), *_sources(), *_made()):
        found.update(f"{line}\n".encode())
    return found.hexdigest()


def _release(package: str) -> str:
    return f"{package} {version(package)}"


def _sources() -> Iterator[str]:
    for finder in get_finders():
        for name, storage in finder.list([]):
            yield f"{name} {sha256(Path(storage.path(name)).read_bytes()).hexdigest()}"


def _made() -> Iterator[str]:
    root = Path(settings.STATIC_ROOT)
    for path in sorted(root.rglob("*")):
        if path.is_file():
            yield f"{path.relative_to(root)} {path.stat().st_size}"
