"""How code is laid out, found by looking at it in a box: where its modules are imported from, where the paths in it
begin, and whether the steps of a run are in it as they were."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from django.core.cache import caches

from tenants.run_templates.document.schema import mapping

from .boxed_programs import answer_of
from .code import CodeError, code_folder, scratch
from .stored_code import present

SECONDS = 30
OF_THE_CODE = ("user", "unknown", "code_repository")  # kinds of source that a run takes from its code
HASH = "step_source"  # ZenML's name for the hash of a step's source, since 0.20
MOST_FOLDERS = 20
REMEMBERED = 3600  # seconds that an answer is kept in a process: a person on their way looks several times
MOST_REMEMBERED = 100_000  # characters of one


@dataclass(frozen=True)
class StepLook:
    """What has become of one step. `state`: same, edited, unknown (the run recorded no hash), gone, missing.

    `digest`: of its source as it is there; "" where it is not.
    """

    name: str
    module: str
    file: str
    line: int
    state: str
    digest: str = ""

    @property
    def is_there(self) -> bool:
        return self.state not in ("gone", "missing")


@dataclass(frozen=True)
class CodeLook:
    """`roots`: folders that modules are imported from, the first one ZenML's source root; `choices`: all that could be.
    `folders`: where relative paths in the code begin, the likeliest first. All relative to the code, "" the top.
    `declared`: file of the code -> packages it names, as they are written there."""

    roots: list[str]
    choices: list[str]
    folders: list[str]
    steps: list[StepLook]
    files: int
    bytes: int
    declared: dict[str, list[str]]

    @property
    def of_steps(self) -> list[str]:
        """Folders of the files that define the steps: Python imports from the folder of the script it is started with."""
        return list(dict.fromkeys(step.file.rpartition("/")[0] for step in self.steps if step.file))

    @property
    def missing(self) -> int:
        return sum(not step.is_there for step in self.steps)

    @property
    def is_complete(self) -> bool:
        return not self.missing

    @property
    def is_unchanged(self) -> bool:
        """No step is missing, and none is another one than in the run, as far as the run says."""
        return all(step.state in ("same", "unknown") for step in self.steps)


def look_at(
    code_hash: str, snapshot: Mapping[str, Any], roots: Sequence[str] | None = None, place: str = ""
) -> CodeLook:
    """Look for the steps of a snapshot in frozen code; with `roots`, only where these would find them.

    Nothing of the code is run. `place`: the tenant's id. Raises CodeError for a step from a notebook, and when the code can't be read.
    """
    steps = dict(steps_of(snapshot))
    wanted = json.dumps({"steps": steps, "roots": [*roots] if roots else None})
    return _look(_remembered(code_hash, wanted) or _answer(code_hash, wanted, place), steps)


def _remembered(code_hash: str, wanted: str) -> Mapping[str, Any] | None:
    """The answer of an earlier look. The code is frozen, so it is still true as long as the code is there."""
    return caches["local"].get(_key(code_hash, wanted)) if code_folder(code_hash).is_dir() else None


def _answer(code_hash: str, wanted: str, place: str) -> Mapping[str, Any]:
    code = present(code_hash)
    with scratch("looked") as folder:
        asked = folder / "wanted"
        asked.write_text(wanted)
        answer = answer_of("look.py", [code, asked], folder, read=[code], seconds=SECONDS, place=place)
    if len(json.dumps(answer)) <= MOST_REMEMBERED:
        caches["local"].set(_key(code_hash, wanted), answer, REMEMBERED)
    return answer


def _key(code_hash: str, wanted: str) -> str:
    return f"look-{code_hash}-{sha256(wanted.encode()).hexdigest()}"


def _look(answer: Mapping[str, Any], steps: Mapping[str, Mapping[str, str]]) -> CodeLook:
    found = [StepLook(name, steps[name]["module"], **state) for name, state in answer["steps"].items()]
    begins = [folder for folder, _ in answer["folders"][:MOST_FOLDERS]]
    sizes = answer["files"], answer["bytes"], answer["declared"]
    return CodeLook(answer["roots"], answer["choices"], begins, found, *sizes)


def steps_of(snapshot: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    """Those that come from the code of the run, not from a package. Raises CodeError for one from a notebook."""
    for name, configuration in mapping(mapping(snapshot.get("metadata")).get("step_configurations")).items():
        source = mapping(mapping(mapping(configuration).get("spec")).get("source"))
        if source.get("type") == "notebook":
            raise CodeError(f"The step “{name}” was written in a notebook; a template needs a file.")
        if source.get("type") in OF_THE_CODE:
            caching = mapping(mapping(mapping(configuration).get("config")).get("caching_parameters"))
            yield (
                name,
                {
                    "module": str(source.get("module")),
                    "attribute": str(source.get("attribute")),
                    "hash": str(caching.get(HASH) or ""),
                },
            )
