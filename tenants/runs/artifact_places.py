"""Artifacts that a tenant's server can't read, because they lie on the machine that made them.

A run on a laptop with the default stack saves to the laptop's own disk: the server knows the path, and has no such file.
"""

import os
import re
from pathlib import Path

from django.conf import settings

# ZenML 0.98.0, zenml/artifacts/utils.py; 501 to whoever asks for a visualization.
LACKS_PACKAGES = re.compile(r"Artifact store '.{0,250}?' could not be instantiated")
WHAT_IT_LACKS = (
    "The tenant’s server lacks the packages that read this artifact store. Whoever manages the tenant can add them: under "
    "Settings, Packages, or where somebody else runs the server."
)
LOCAL = re.compile(r"(?:file://)?(/.*|[A-Za-z]:[\\/].*)", re.DOTALL)


def in_words(reason: str) -> str:
    """What a server said of something it could not read, for people: without the whole paths of its own files."""
    return WHAT_IT_LACKS if LACKS_PACKAGES.search(reason) else reason.replace(str(settings.ZENPRO_DATA), "…")


def is_away(uri: str, stores: Path | None, failed: bool) -> bool:
    """Does it lie on a disk the server has not? `stores`: where the tenant's own artifacts lie on this machine, None
    where nobody here knows; then only one that the server failed to read does."""
    found = LOCAL.fullmatch(uri)
    if not found:
        return False
    if stores is None:
        return failed
    return not Path(os.path.normpath(found[1])).is_relative_to(stores)


def why_away(uri: str, reason: str = "") -> str:
    """For people; `reason`: what the server said, where that is all that is known."""
    said = f" The server says: {reason}" if reason else ""
    return (
        f"This artifact lies on the machine that ran the step ({uri} there), and the tenant’s server can’t read it: "
        "look at it and load it on that machine. Runs on a stack whose artifact store the server can reach, such as "
        f"S3, and runs started from here show their artifacts here.{said}"
    )
