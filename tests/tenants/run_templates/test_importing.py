"""Imports of steps in a box: what cannot get out of it, what is believed of its answer, then what is told."""

import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tenants.run_templates.engine import importing
from tenants.run_templates.engine.code import CodeError, code_folder, freeze_folder
from tenants.run_templates.engine.importing import import_steps
from tests.tenants.hosting.conftest import eventually

STEP = "def load():\n    pass\n"


@pytest.fixture(autouse=True)
def data(settings, tmp_path):
    settings.ZENPRO_DATA = tmp_path / "data"
    settings.ZENPRO_DATA.mkdir()


@pytest.fixture
def tried(tmp_path):
    """tried({"app/steps.py": "…"}, first=("app.steps", "load")): what came of each step, by its name."""

    def run(files: dict[str, str], roots=("",), starts_in="", **steps):
        project = tmp_path / "project"
        for name, content in files.items():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).write_text(content)
        wanted = {name: {"module": module, "attribute": word} for name, (module, word) in steps.items()}
        code_hash = freeze_folder(project)
        found = import_steps(Path(sys.executable), code_hash, roots, starts_in, wanted, "a-test")
        assert [one.name for one in found] == [*wanted]
        left = [path for path in code_folder(code_hash).parent.iterdir() if path.name.startswith(".")]
        assert left == []
        return {one.name: one for one in found}

    return run


# -- attacks


def test_code_sees_neither_secrets_nor_files_of_ours(tried, settings, monkeypatch):
    monkeypatch.setenv("ZENPRO_SECRET_KEY", "ours")
    secret = settings.ZENPRO_DATA / "keys.json"
    secret.write_text("ours")
    code = f"import os\nassert not os.path.exists({str(secret)!r})\nassert 'ours' not in str(os.environ)\n"
    code += "assert 'ZENML_STORE_API_TOKEN' not in os.environ\n"
    assert tried({"steps.py": code + STEP}, load=("steps", "load"))["load"].state == "imported"


def test_code_changes_only_its_own_copy(tried):
    code = "open('steps.py', 'w').write('evil')\nopen('new.txt', 'w').write('x')\n" + STEP
    assert tried({"steps.py": code}, load=("steps", "load"))["load"].state == "imported"
    copy = next(code_folder("x").parent.glob("[0-9a-f]*"))
    assert [path.name for path in copy.iterdir()] == ["steps.py"] and "evil" not in (
        copy / "steps.py"
    ).read_text()[:4]


def test_code_that_never_ends_is_ended_with_all_it_started(tried, monkeypatch, tmp_path):
    monkeypatch.setattr(importing, "SECONDS", 2)
    mark = f"{os.getpid()}.25"  # in the command line of what it starts
    code = f"import subprocess, time\nsubprocess.Popen(['sleep', '{mark}'], start_new_session=True)\ntime.sleep(60)\n"
    found = tried({"a.py": STEP, "b.py": code}, first=("a", "load"), second=("b", "load"))
    assert (found["first"].state, found["second"].state) == ("imported", "untried")
    assert found["second"].words == "ZenPro ended the import: it took more than 2 seconds."
    assert not _is_there(mark)


def test_code_ends_with_the_agent_that_imports_it(tmp_path):
    """A killed agent leaves nothing behind: the next one begins anew."""
    mark = f"{os.getpid()}.75"
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "a.py").write_text(f"import os\nos.execvp('sleep', ['sleep', '{mark}'])\n")
    code_hash = freeze_folder(tmp_path / "code")
    steps = {"load": {"module": "a", "attribute": "load"}}
    agent = os.fork()
    if agent == 0:
        import_steps(Path(sys.executable), code_hash, [""], "", steps, "a-test")
        os._exit(0)
    try:
        eventually(lambda: _is_there(mark))
    finally:
        os.kill(agent, signal.SIGKILL)
        os.waitpid(agent, 0)
    eventually(lambda: not _is_there(mark))


def _is_there(mark: str) -> bool:
    """Is there a process with this on its command line?"""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if mark.encode() in path.read_bytes():
                return True
    return False


def test_memory_is_bounded(tried, monkeypatch):
    monkeypatch.setattr(importing, "MEMORY", 200 * 1024**2)
    code = "import time\nx = bytearray(b'x') * (400 * 1024**2)\ntime.sleep(30)\n"
    found = tried({"a.py": code}, load=("a", "load"))["load"]
    assert (found.state, found.words) == (
        "untried",
        "ZenPro ended the import: it used more than 200 MB of memory.",
    )


ANSWER = "import os\nanswer = os.path.expanduser('~/answer')\n"
FORGED = {
    "a link": "os.remove(answer)\nos.symlink('/etc/passwd', answer)\nos._exit(0)\n",
    "a pipe": "os.remove(answer)\nos.mkfifo(answer)\nos._exit(0)\n",
    "a folder": "os.remove(answer)\nos.mkdir(answer)\nos._exit(0)\n",
    "no json": "open(answer, 'wb').write(b'\\xff[' * 100000)\nos._exit(0)\n",
    "another shape": 'open(answer, \'w\').write(\'[]\\n{"step": []}\\n{"step": "load", "state": {}}\')\nos._exit(0)\n',
    "too much": "open(answer, 'wb').write(b' ' * 2000000 + b'\\n{}')\nos._exit(0)\n",
}


@pytest.mark.parametrize("attack", FORGED.values(), ids=FORGED)
def test_an_answer_of_any_kind_is_read_without_harm(tried, attack):
    found = tried({"a.py": ANSWER + attack}, load=("a", "load"))["load"]
    assert (found.state, found.words) == ("untried", importing.ENDED)


def test_texts_of_an_answer_are_short_and_can_be_stored(tried):
    said = {
        "step": "load",
        "state": "error",
        "words": "a\x00\ud800\u202e<b>" + "x" * 999,
        "file": 1,
        "line": "1",
    }
    code = ANSWER + f"open(answer, 'w').write({json.dumps(said)!r})\nos._exit(0)\n"
    found = tried({"a.py": code}, load=("a", "load"))["load"]
    assert (found.words[:7], len(found.words), found.file, found.line) == ("a   <b>", 300, "", 0)


def test_code_that_is_gone_is_told():
    with pytest.raises(CodeError, match="no longer there"):
        import_steps(Path(sys.executable), "0" * 64, [""], "", {}, "a-test")


def test_an_environment_that_is_gone_is_told(tmp_path):
    code_hash = freeze_folder(_project(tmp_path))
    found = import_steps(
        tmp_path / "env" / "bin" / "python",
        code_hash,
        [""],
        "",
        {"load": {"module": "a", "attribute": "b"}},
        "x",
    )
    assert found[0].state == "untried"


def _project(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "a.py").write_text(STEP)
    return tmp_path / "code"


# -- what is told


def test_each_step_has_its_own_outcome_with_the_line_that_led_there(tried):
    files = {
        "src/app/good.py": STEP,
        "src/app/lacks.py": "import os\nfrom app import deeper\n",
        "src/app/deeper.py": "x = 1\nimport lightgbm.sklearn\n",
        "src/app/raises.py": "def f():\n    return {}['nothing']\nf()\n",
        "src/app/typo.py": "def load(:\n",
        "src/app/leaves.py": "import sys\nsys.exit(3)\n",
        "src/app/reads.py": f"open('data.csv').read()\n{STEP}",
        "data.csv": "1\n",
        "run.py": STEP,
    }
    steps = {name: (f"app.{name}", "load") for name in ("good", "lacks", "raises", "typo", "leaves", "reads")}
    found = tried(files, roots=("src",), other=("app.good", "save"), top=("run", "load"), **steps)
    states = {name: one.state for name, one in found.items()}
    assert states == {
        "good": "imported",
        "reads": "imported",
        "top": "imported",
        "other": "gone",
        "lacks": "missing",
        "raises": "error",
        "typo": "error",
        "leaves": "error",
    }
    lacks, raises, typo = found["lacks"], found["raises"], found["typo"]
    assert (lacks.missing, lacks.file, lacks.line) == ("lightgbm", "src/app/deeper.py", 2)
    assert (raises.words, raises.file, raises.line) == ("KeyError: 'nothing'", "src/app/raises.py", 2)
    assert raises.text == "return {}['nothing']"
    assert typo.words.startswith("SyntaxError: ") and (typo.file, typo.line) == ("src/app/typo.py", 1)
    assert found["leaves"].words == "SystemExit: 3"
