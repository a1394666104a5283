"""Code that arrives as an archive: unpacked in a box, since a reader of archives is easily led astray, then frozen."""

import json
import os
import subprocess
import sys
from pathlib import Path

from django.conf import settings

from tenants.hosting.local import box

from .code import MAX_BYTES, MAX_FILES, CodeError, freeze_folder, scratch

SCRIPT = Path(__file__).with_name("unpack_script.py")
LARGEST = 50 * 1024**2  # bytes of an archive
SECONDS = 60
MEMORY = 512 * 1024**2
NOT_READ = "The archive can't be read: {}"


def freeze_archive(archive: Path) -> str:
    """Unpack a .zip or .tar.gz, keep an immutable copy of what is in it, and return its hash.

    A single folder at its top is taken as the code itself. Raises CodeError with a sentence for people.
    """
    with scratch("unpacked") as folder:
        inside = folder / "code"
        inside.mkdir(mode=0o700)
        _unpack(archive, inside, folder / "told")
        return freeze_folder(_top(inside))


def _unpack(archive: Path, folder: Path, told: Path) -> None:
    try:
        done = box.run(_order(archive, folder, told), timeout=SECONDS + 10)
    except subprocess.TimeoutExpired as error:
        raise CodeError(f"The archive could not be unpacked within {SECONDS} seconds.") from error
    refusal = _said(done.stdout, told)
    if refusal:
        raise CodeError(refusal)


def _order(archive: Path, folder: Path, told: Path) -> dict:
    python = os.path.realpath(sys.executable)
    command = [python, "-I", "-S", str(SCRIPT), str(archive), str(folder), str(MAX_BYTES), str(MAX_FILES)]
    limits = box.Limits(file_size=MAX_BYTES, memory=MEMORY, seconds=SECONDS, open_files=64, processes=16)
    walls = box.Walls(
        read=[SCRIPT, archive, *box.base_folders(python)], write=[folder], limits=limits, told=told
    )
    env = {"LANG": "C.UTF-8"}
    return box.document("", command, env, folder, walls, box.chosen(settings.ZENPRO_ISOLATION).kind)


def _said(output: str, told: Path) -> str | None:
    """The refusal, None when there is none. Only the last line is the script's own."""
    try:
        answer = json.loads(output.strip().rpartition("\n")[2])
    except ValueError:
        reason = told.read_text(encoding="utf-8") if told.exists() else "the program that reads it failed."
        return NOT_READ.format(reason)
    return answer if answer is None else str(answer)[:500]


def _top(folder: Path) -> Path:
    """The only folder in a folder that holds nothing else, as archives of whole repositories have it."""
    inside = [*os.scandir(folder)]
    is_alone = len(inside) == 1 and inside[0].is_dir(follow_symlinks=False)
    return Path(inside[0].path) if is_alone else folder
