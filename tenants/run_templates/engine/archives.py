"""Code that arrives as an archive: unpacked in a box, since a reader of archives is easily led astray, then frozen."""

import os
from pathlib import Path

from .boxed_programs import answer_of
from .code import freeze_folder, scratch

LARGEST = 50 * 1024**2  # bytes of an archive
SECONDS = 60


def freeze_archive(archive: Path, place: str = "") -> str:
    """Unpack a .zip or .tar.gz, keep an immutable copy of what is in it, and return its hash.

    A single folder at its top is taken as the code itself. `place`: the tenant's id. Raises CodeError with a sentence
    for people.
    """
    with scratch("unpacked") as folder:
        inside = folder / "code"
        inside.mkdir(mode=0o700)
        answer_of("unpack.py", [archive, inside], folder, read=[archive], seconds=SECONDS, place=place)
        return freeze_folder(_top(inside))


def _top(folder: Path) -> Path:
    """The only folder in a folder that holds nothing else, as archives of whole repositories have it."""
    inside = [*os.scandir(folder)]
    is_alone = len(inside) == 1 and inside[0].is_dir(follow_symlinks=False)
    return Path(inside[0].path) if is_alone else folder
