"""How static files are kept for browsers: hashed, compressed, and our scripts without comments and indentation."""

from django.core.files.base import ContentFile
from rjsmin import jsmin
from whitenoise.storage import CompressedManifestStaticFilesStorage

OURS = "js/"


class SlimStaticFilesStorage(CompressedManifestStaticFilesStorage):
    """What libraries bring along stays as it is."""

    def _save(self, name, content):
        if name.startswith(OURS) and name.endswith(".js"):
            content = ContentFile(slim(b"".join(content.chunks())))  # from its start: others have read it
        return super()._save(name, content)


def slim(script: bytes) -> bytes:
    """The same script, shorter."""
    return jsmin(script.decode()).encode()
