"""Imports the steps of a run from code, in the box and the environment of a run, without a tenant and its secrets.

The code of people runs here: its answer is read as what a stranger wrote.
"""

import json
import os
import signal
import stat
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from django.conf import settings

from tenants.hosting.base import StartFailed
from tenants.hosting.local import box, groups

from .boxed_programs import PROGRAMS
from .code import CodeError, scratch
from .runner import CODE, SCRATCH, base_variables, copy_code, limits
from .stored_code import GONE, present

SECONDS = 120  # from start to end, for all steps
PATIENCE = 10  # seconds that a box may take beside its program
LARGEST_FILE = 256 * 1024**2  # bytes
MEMORY = 4 * 1024**3  # bytes, or fewer where runs have fewer
LARGEST_ANSWER = 1024**2  # bytes
LONGEST = 300  # characters of each text in it
STATES = ("imported", "missing", "gone", "error")
ENDED = "Python ended while the steps were being imported."


@dataclass(frozen=True)
class StepImport:
    """What came of one step. `state`: imported; missing, and `missing` is the module that was not found; gone, when the
    module has no such step; error, and `words` say which; untried, when the program ended before, and `words` say why.

    `file`, `line`, `text`: the last line of the code itself that led there, "" and 0 when there was none.
    """

    name: str
    module: str
    state: str
    missing: str = ""
    words: str = ""
    file: str = ""
    line: int = 0
    text: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def import_steps(
    python: Path,
    code_hash: str,
    roots: Sequence[str],
    starts_in: str,
    steps: Mapping[str, Mapping[str, str]],
    name: str,
) -> list[StepImport]:
    """`steps`: name -> {"module", "attribute"}; `name`: of the control group, unlike any other's.

    Blocks until all are imported, SECONDS at most; nothing of the code lives on. Raises CodeError when nothing could be
    started.
    """
    source = present(code_hash)
    if not source.is_dir():
        raise CodeError(GONE)
    with scratch("tried") as folder:
        for inner in SCRATCH:
            (folder / inner).mkdir(mode=0o700)
        copy_code(source, folder / CODE)
        _write(folder, steps)
        why = _run(python, folder, [folder / CODE / root for root in roots], folder / CODE / starts_in, name)
        return _found(steps, _lines(folder / "home" / "answer"), why)


def _write(folder: Path, steps: Mapping[str, Mapping[str, str]]) -> None:
    (folder / "wanted").write_text(json.dumps({"steps": steps, "code": str(folder / CODE)}))


def _run(python: Path, folder: Path, roots: list[Path], starts_in: Path, name: str) -> str:
    """Why steps were left out, if any were."""
    told = folder / "told"
    walls = box.Walls(
        read=[*box.python_folders(python), PROGRAMS, folder / "wanted"],
        write=[folder / each for each in SCRATCH],
        limits=_limits(),
        group=groups.of_run(name),
        told=told,
    )
    words = [python, "-P", PROGRAMS / "load.py", folder / "wanted", folder / "home" / "answer"]
    try:
        kind = box.chosen(settings.ZENPRO_ISOLATION).kind
        variables = base_variables(python, folder, roots)
        order = box.document("", [*map(str, words)], variables, starts_in, walls, kind) | _ends_with_us()
        with open(folder / "output", "wb") as output:
            box.run(order, timeout=SECONDS + PATIENCE, output=output)
    except subprocess.TimeoutExpired:
        return f"It was ended after {SECONDS} seconds."
    except StartFailed as error:
        raise CodeError(error.reason) from error
    except OSError as error:
        raise CodeError(f"Python could not be started: {error.strerror}.") from error
    return told.read_text().replace("this run", "the import", 1) if told.exists() else ENDED


def _ends_with_us() -> dict[str, int]:
    """Should this process be killed, the box is ended as well: a later try begins anew."""
    return {"parent": os.getpid(), "death_signal": int(signal.SIGKILL)}


def _limits() -> box.Limits:
    """Those of a run, and these on top."""
    of_a_run = limits()
    memory = min(of_a_run.memory or MEMORY, MEMORY)
    return replace(of_a_run, memory=memory, file_size=LARGEST_FILE, seconds=SECONDS)


# -- its answer


def _lines(answer: Path) -> Iterator[Mapping[str, Any]]:
    """Lines that are objects of JSON. The code may have made the file anything, also a pipe or a link."""
    for line in _content(answer).splitlines():
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield found


def _content(answer: Path) -> bytes:
    try:
        file = os.open(answer, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return b""
        with open(file, "rb", closefd=False) as reader:
            return reader.read(LARGEST_ANSWER)
    finally:
        os.close(file)


def _found(
    steps: Mapping[str, Mapping[str, str]], lines: Iterator[Mapping[str, Any]], why: str
) -> list[StepImport]:
    """One for each step, in their order; of several lines for one the first counts."""
    said: dict[str, Mapping[str, Any]] = {}
    for line in lines:
        if isinstance(line.get("step"), str) and line.get("state") in STATES:
            said.setdefault(line["step"], line)
    return [_result(name, step["module"], said.get(name), why) for name, step in steps.items()]


def _result(name: str, module: str, said: Mapping[str, Any] | None, why: str) -> StepImport:
    if said is None:
        return StepImport(name, module, "untried", words=why)
    texts = {key: _text(said.get(key)) for key in ("words", "file", "text")}
    line = said.get("line")
    number = line if type(line) is int and 0 < line < 10**7 else 0
    return StepImport(name, module, said["state"], missing=_text(said.get("name")), line=number, **texts)


def _text(value: Any) -> str:
    """What can be stored and shown."""
    text = value if isinstance(value, str) else ""
    return "".join(sign if sign.isprintable() else " " for sign in text[:LONGEST]).strip()
