"""Why a step failed: the sentence a person needs, and the line of their own code, out of a traceback.

ZenML records message and traceback of a step's exception, the frames of its own already left out (`exception_info` of
a step, 0.98.0). A step whose module can't be imported has neither, an assertion has no message, and of a wrong
parameter the message only refers to “the pydantic error above”, which is in the traceback.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tenants.hosting.answers import TEXT_LENGTH, line, text

LONGEST = 400  # characters of a sentence
LONGEST_PATH = 300
LONGEST_LINE = 2000  # characters of a line that are read
LINES = 3  # of a message
FIELDS = 3  # of a validation error that are named
FRAME = re.compile(r' *File "([^"\n]+)", line (\d{1,7}), in (\S.*)')
RAISED = re.compile(r"((?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*)(?:: (.*))?")
ENDS = ("Error", "Exception", "Exit", "Interrupt", "Warning", "Iteration", "Killed")
# Where a run of ours has its code (tenants.run_templates.engine.runner), and what is nobody's own code.
RUN_CODE = re.compile(r"/runs/[0-9a-f]{8}-[0-9a-f-]{27}/code/(.+)")
LIBRARIES = ("/site-packages/", "/dist-packages/", "/lib/python", "<frozen ")
FOLLOWS = ("Pipeline run has failed due to failure in step",)  # what ZenML says after the cause
ABOVE = re.compile(r"\babove\b")
INVALID = re.compile(r"\d+ validation errors? for (.+)")
DETAIL = re.compile(r"  (.+?)(?: \[type=[^\]]*?, input_value=(.*), input_type=[^\]]*\])?")
NO_MODULE = re.compile(r"No module named '?([\w.]{1,200})")
FUNCTION = "<locals>"  # in pydantic's name for the arguments of a step
MODULES = ("ModuleNotFoundError", "ImportError")


@dataclass(frozen=True)
class CodeLine:
    """A line of someone's own code. `file` is relative to the code of the run where that is known."""

    file: str
    number: int
    function: str
    text: str = ""  # as the traceback quotes it
    is_of_run: bool = False

    def __str__(self) -> str:
        return f"{self.file}, line {self.number}"


@dataclass(frozen=True)
class Reason:
    """`sentence` is "" when nothing is known; `module`: the one that could not be imported."""

    sentence: str = ""
    place: CodeLine | None = None
    module: str = ""

    @property
    def words(self) -> str:
        """Both in one line, for lists and mails."""
        return f"{self.sentence} ({self.place})" if self.sentence and self.place else self.sentence


def reason_of(message: str, traceback: str) -> Reason:
    """From what a step recorded, or from what a process printed; both may be anything, and empty."""
    lines = [one[:LONGEST_LINE] for one in traceback[-TEXT_LENGTH:].splitlines()]
    place, raised = _place(lines), _raised(lines)
    kind, said = raised[-1] if raised else ("", "")
    said = message[:TEXT_LENGTH].strip() or said
    if ABOVE.search(said):
        said = next((words for _, words in reversed(raised) if INVALID.match(words)), said)
    missing = NO_MODULE.match(said) if kind in MODULES or not kind else None
    if missing:
        return Reason(f"The module {missing[1]} is missing.", place, missing[1])
    return Reason(_sentence(kind, said, place), place)


def reason_in(output: Iterable[str]) -> Reason:
    """From the last lines that a process printed; an empty one when no exception is among them."""
    lines = [text(one, LONGEST_LINE) for one in output]
    return reason_of("", "\n".join(lines)) if _raised(lines) else Reason()


def _sentence(kind: str, said: str, place: CodeLine | None) -> str:
    """What was raised in words; its kind too where the words alone say too little."""
    kind = kind.rpartition(".")[2]
    words = _invalid(said) or _shortened(said)
    if kind == "SystemExit":
        return f"The code ended the process itself, with {words or 'no code'}."
    if not words:
        return f"{kind}: {place.text}" if kind and place and place.text else kind
    return words if " " in words or not kind else f"{kind}: {words}"


def _shortened(said: str) -> str:
    lines = [line(one.strip(), LONGEST) for one in said.splitlines()[:LINES]]
    words = " ".join(filter(None, lines))
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"


def _invalid(said: str) -> str:
    """A validation error of pydantic in a sentence, or "": "rounds: Input should be a valid integer (it was 'many')"."""
    first, *rest = said.splitlines() or [""]
    if not (found := INVALID.match(first)):
        return ""
    fields = [*_fields(rest)]
    more = f"; and {len(fields) - FIELDS} more" if len(fields) > FIELDS else ""
    whose = "" if FUNCTION in found[1] else f"{line(found[1], 100)}: "
    return _shortened(f"{whose}{'; '.join(fields[:FIELDS])}{more}") if fields else ""


def _fields(lines: list[str]) -> Iterable[str]:
    name = ""
    for one in lines:
        if one and not one.startswith(" "):
            name = one
        elif (found := DETAIL.fullmatch(one)) and not one.startswith("   "):
            was = f" (it was {line(found[2], 60)})" if found[2] else ""
            yield f"{line(name, 100)}: {line(found[1])}{was}"


# -- reading a traceback


def _raised(lines: list[str]) -> list[tuple[str, str]]:
    """(kind, message) of the exceptions, in the order they are written; a message can have several lines."""
    found: list[tuple[str, list[str]]] = []
    is_open = False
    for one in lines:
        if FRAME.match(one) or one.startswith(("Traceback ", "    ")) and not _continues(found, is_open):
            is_open = False
        elif match := _exception(one):
            found.append((match[1], [match[2] or ""]))
            is_open = True
        elif is_open:
            found[-1][1].append(one)
    said = [(kind, "\n".join(words).strip()) for kind, words in found]
    return [one for one in said if not one[1].startswith(FOLLOWS)]


def _continues(found: list, is_open: bool) -> bool:
    """Indented lines belong to a validation error, and else to a frame."""
    return is_open and bool(INVALID.match(found[-1][1][0]))


def _exception(one: str) -> re.Match | None:
    match = RAISED.fullmatch(one)
    return match if match and match[1].rpartition(".")[2].endswith(ENDS) else None


def _place(lines: list[str]) -> CodeLine | None:
    """The last frame in someone's own code."""
    for at in range(len(lines) - 1, -1, -1):
        match = FRAME.match(lines[at])
        if match and not any(part in match[1] for part in LIBRARIES):
            return _code_line(match, lines[at + 1] if at + 1 < len(lines) else "")
    return None


def _code_line(match: re.Match, following: str) -> CodeLine:
    inside = RUN_CODE.search(match[1])
    path = inside[1] if inside else "/".join(match[1].split("/")[-2:])
    quoted = "" if FRAME.match(following) or not following.startswith("    ") else following.strip()
    return CodeLine(
        line(path, LONGEST_PATH), int(match[2]), line(match[3], 100), line(quoted, 200), bool(inside)
    )
