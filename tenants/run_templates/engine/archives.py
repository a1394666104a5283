"""Code that arrives as an archive: unpacked in a box, since a reader of archives is easily led astray, then frozen."""

import os
from pathlib import Path

from .boxed_programs import answer_of
from .code import freeze_folder, scratch

LARGEST = 50 * 1024**2  # bytes of an archive
SECONDS = 60


def freeze_archive(archive: Path, place: str = "") -> tuple[str, str]:
    """(hash of an immutable copy of what is in a .zip or .tar.gz, id of the commit that `git archive` says it packed).

    A single folder at its top is taken as the code itself; a commit is what its sender claims. `place`: the tenant's id. Raises CodeError with a sentence
    for people.
    """
    with scratch("unpacked") as folder:
        inside = folder / "code"
        inside.mkdir(mode=0o700)
        answer = answer_of(
            "unpack.py", [archive, inside], folder, read=[archive], seconds=SECONDS, place=place
        )
        return freeze_folder(_top(inside)), answer["commit"]


def _top(folder: Path) -> Path:
    """The only folder in a folder that holds nothing else, as archives of whole repositories have it."""
    inside = [*os.scandir(folder)]
    is_alone = len(inside) == 1 and inside[0].is_dir(follow_symlinks=False)
    return Path(inside[0].path) if is_alone else folder
