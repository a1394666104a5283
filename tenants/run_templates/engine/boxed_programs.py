"""Runs the programs in boxed/, which read what strangers packed, each in a box with one folder to write to."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings

from tenants.hosting.base import TenantBusy
from tenants.hosting.bounded import CallPlaces
from tenants.hosting.local import box
from tenants.hosting.local.variables import PASSED_ON, certificate_paths

from .code import MAX_BYTES, MAX_FILES, CodeError

PROGRAMS = Path(__file__).with_name("boxed")
LIMITS = {"file_size": 4 * MAX_BYTES, "memory": 512 * 1024**2, "open_files": 256, "processes": 16}
LONGEST = 500  # characters of a sentence
PATIENCE = 10  # seconds that a box may take beside its program
FAILED = "the program that reads it failed."
READERS = 2  # of these programs at once in a process, each of another tenant: code can make any of them slow
PLACES = CallPlaces(each=1, together=READERS, patience=1.0, credit=math.inf)
BUSY = "Other code is being read right now. Try again in a moment."


class CodeUnreadable(CodeError):
    """What the program itself says against what it read; everything else may be different next time."""


def answer_of(
    program: str,
    words: Sequence[object],
    folder: Path,
    *,
    seconds: int,
    place: str,
    read: Sequence[Path] = (),
    secrets: Mapping[str, str] | None = None,
    places: CallPlaces = PLACES,
) -> Any:
    """What a program of boxed/ answers: None or an object. It gets the words, then the limits of code.

    `place`: for whom it reads, a tenant's id, of `places`. Raises CodeUnreadable with its sentence, and CodeError with the
    reason it was ended for, or when others are being read.
    """
    try:
        with places.one(place):
            return _answer_of(program, words, folder, seconds, read, secrets)
    except TenantBusy as error:
        raise CodeError(BUSY) from error


def _answer_of(
    program: str,
    words: Sequence[object],
    folder: Path,
    seconds: int,
    read: Sequence[Path],
    secrets: Mapping[str, str] | None,
) -> Any:
    told = folder / ".told"
    limits = box.Limits(**LIMITS, seconds=seconds)
    seen = [PROGRAMS, *read, *box.base_folders(_python()), *certificate_paths(os.environ)]
    walls = box.Walls(read=seen, write=[folder], limits=limits, secrets=secrets, told=told)
    kind = box.chosen(settings.ZENPRO_ISOLATION).kind
    order = box.document("", _command(program, words), _variables(), folder, walls, kind)
    try:
        done = box.run(order, timeout=seconds + PATIENCE)
    except subprocess.TimeoutExpired as error:
        raise CodeError(f"The code could not be read within {seconds} seconds.") from error
    return _answer(done.stdout, told)


def _python() -> str:
    return os.path.realpath(sys.executable)


def _command(program: str, words: Sequence[object]) -> list[str]:
    return [_python(), "-I", "-S", str(PROGRAMS / program), *map(str, [*words, MAX_BYTES, MAX_FILES])]


def _variables() -> dict[str, str]:
    return {"LANG": "C.UTF-8"} | {name: os.environ[name] for name in PASSED_ON if os.environ.get(name)}


def _answer(output: str, told: Path) -> Any:
    """Only the last line is the program's own; a sentence in it is a refusal."""
    try:
        answer = json.loads(output.strip().rpartition("\n")[2])
    except ValueError as error:
        reason = told.read_text(encoding="utf-8") if told.exists() else FAILED
        raise CodeError(f"The code can't be read: {reason}") from error
    if isinstance(answer, str):
        raise CodeUnreadable(answer[:LONGEST])
    return answer
