"""How static files are kept for browsers: hashed, compressed, and our scripts without comments and indentation."""

from django.core.files.base import ContentFile
from rjsmin import jsmin
from whitenoise.storage import CompressedManifestStaticFilesStorage

OURS = "js/"


class SlimStaticFilesStorage(CompressedManifestStaticFilesStorage):
    """What libraries bring along stays as it is."""

    def _save(self, name, content):
        if name.startswith(OURS) and name.endswith(".js"):
            content = ContentFile(slim(content.read()))
        return super()._save(name, content)


def slim(script: bytes | str) -> bytes:
    """The same script, shorter."""
    text = script.decode() if isinstance(script, bytes) else script
    return jsmin(text).encode()
