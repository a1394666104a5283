"""Compiled files of packages that an environment shares with one that is there already."""

import os
from contextlib import suppress
from pathlib import Path

COMPILED = "__pycache__"


def take_over(made: Path, new: Path) -> int:
    """Link from `made` what is compiled from a file that is the very same one in `new`; how many were linked.

    uv links the files of a package from its cache, so two environments with one version of it have the same files.
    Python reads from a compiled file when its source was written, and how long that is: both are right there too.

    `made` has packages that we chose, since whoever writes its compiled files decides what runs in `new`. No code may
    run in `new` meanwhile; links in it are not followed.
    """
    return sum(
        _link_all(Path(folder), new / Path(folder).relative_to(made)) for folder in _folders(made, new)
    )


def _folders(made: Path, new: Path):
    """Folders of `made` with compiled files in them that are folders in `new` as well."""
    for folder, inside, _ in os.walk(made):
        there = new / Path(folder).relative_to(made)
        if COMPILED in inside:
            yield folder
        inside[:] = [name for name in inside if name != COMPILED and _is_folder(there / name)]


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _link_all(made: Path, new: Path) -> int:
    place = new / COMPILED
    with suppress(FileExistsError):
        place.mkdir()
    return sum(_link(one, made, place) for one in os.scandir(made / COMPILED)) if _is_folder(place) else 0


def _link(compiled: os.DirEntry, made: Path, place: Path) -> bool:
    """False when the source is another, or something is there already."""
    source = f"{compiled.name.split('.')[0]}.py"
    with suppress(OSError):
        if os.path.samestat((made / source).lstat(), (place.parent / source).lstat()):
            os.link(compiled.path, place / compiled.name, follow_symlinks=False)
            return True
    return False
