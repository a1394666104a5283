"""Looking at code: where its modules and its paths begin, and whether steps are what they were, without running it."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tenants.run_templates.code_actions import missing
from tenants.run_templates.engine import layout
from tenants.run_templates.engine.code import CodeError, code_folder, freeze, freeze_folder
from tenants.run_templates.engine.layout import StepLook, look_at
from tenants.run_templates.pages.code_forms import LayoutForm

from .samples import churn_snapshot

STEPS = '''from zenml import step

if True:
    @step(enable_cache=False)
    def load(rows: int = 3) -> int:
        """Load."""
        # a comment
        open("config/prod.yaml")
        return rows

    # after
@step
def train(
    x: int,
    rounds: int = 5,
) -> float:
    return x * rounds * 1.0  # end
    # trailing

class Other: pass
'''
SCRIPT = """from zenml import pipeline, step
from fraud.steps import load, train
@step
def report(x: float) -> None:
    print(x)
"""
# What ZenML 0.98.0 recorded of these steps, started with `PYTHONPATH=src python scripts/run.py`.
RECORDED = {
    "load": "66c180d197b0594ef2ab2983a7fff6a70ad470135afffe3c21511c45243484d8",
    "train": "9f123fe413e593655c1232be7005e45dc574224c76597ec8f62ef46835c98a64",
    "report": "8d6c142fa44d9be9952d1b2fb7e1d164a582346079da12f8172effb47569e1d7",
}
FILES = {
    "src/fraud/__init__.py": "",
    "src/fraud/steps.py": STEPS,
    "scripts/run.py": SCRIPT,
    "config/prod.yaml": "",
}


@pytest.fixture(autouse=True)
def data(settings, tmp_path):
    settings.ZENPRO_DATA = tmp_path / "data"
    settings.ZENPRO_DATA.mkdir()


@pytest.fixture
def frozen(tmp_path):
    """frozen(files): hash of code with these files."""

    def freeze(files):
        folder = tmp_path / "code"
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(text if isinstance(text, bytes) else text.encode())
        return freeze_folder(folder)

    return freeze


def step(module, attribute, recorded="", kind="unknown"):
    return {
        "spec": {"source": {"module": module, "attribute": attribute, "type": kind}},
        "config": {"caching_parameters": {"step_source": recorded}},
    }


def snapshot(**steps):
    return {"metadata": {"step_configurations": steps}}


FRAUD = snapshot(
    load=step("fraud.steps", "load", RECORDED["load"]),
    train=step("fraud.steps", "train", RECORDED["train"]),
    report=step("run", "report", RECORDED["report"], "user"),
)


def states(look) -> dict[str, str]:
    return {found.name: found.state for found in look.steps}


def test_a_source_folder_and_a_script_beside_it(frozen):
    look = look_at(frozen(FILES), FRAUD)
    assert look.roots == ["scripts", "src"] and look.choices == ["scripts", "src"]
    assert look.folders == [""]
    assert states(look) == {"load": "same", "train": "same", "report": "same"} and look.is_complete
    digest = look.steps[1].digest
    assert look.steps[1] == StepLook("train", "fraud.steps", "src/fraud/steps.py", 12, "same", digest)
    assert digest not in ("", look.steps[0].digest)
    assert (look.files, look.bytes) == (4, len(STEPS) + len(SCRIPT))


def test_one_changed_line_is_one_changed_step(frozen):
    look = look_at(frozen(FILES | {"src/fraud/steps.py": STEPS.replace("x * rounds", "x + rounds")}), FRAUD)
    assert states(look) == {"load": "same", "train": "edited", "report": "same"} and look.is_complete


def test_steps_of_older_servers_were_hashed_with_their_decorator(frozen):
    text = "@step\ndef one() -> int:\n    return 1\n"
    recorded = hashlib.sha256(text.encode()).hexdigest()
    look = look_at(
        frozen({"steps.py": f"from zenml import step\n{text}"}), snapshot(one=step("steps", "one", recorded))
    )
    assert states(look) == {"one": "same"}


def test_what_is_not_there(frozen):
    wanted = snapshot(
        one=step("fraud.steps", "nowhere"), two=step("fraud.other", "two"), three=step("fraud.steps", "load")
    )
    look = look_at(frozen(FILES), wanted)
    assert states(look) == {"one": "gone", "two": "missing", "three": "unknown"} and not look.is_complete


def test_given_roots_are_looked_at_alone(frozen):
    look = look_at(frozen(FILES), FRAUD, roots=["src"])
    assert look.roots == ["src"] and look.choices == ["scripts", "src"]
    assert states(look) == {"load": "same", "train": "same", "report": "missing"}


def test_the_upper_folder_of_two_that_do_equally_well(frozen):
    files = {"app/steps.py": "", "old/app/steps.py": ""}
    look = look_at(frozen(files), snapshot(one=step("app.steps", "one")))
    assert look.roots == [""] and look.choices == ["", "old"]


def test_nothing_of_it_is_there(frozen):
    look = look_at(frozen({"readme.md": "hello"}), FRAUD)
    assert look.roots == [""] and look.choices == [] and set(states(look).values()) == {"missing"}


def test_where_paths_begin(frozen):
    script = 'open("data/a.csv"); open("./data/b.csv"); open("c.csv")'
    files = {"ml/data/a.csv": "", "ml/data/b.csv": "", "c.csv": "", "ml/run.py": script}
    assert look_at(frozen(files), snapshot(one=step("run", "one"))).folders == ["ml", ""]


def test_the_folder_of_a_script_with_steps_is_offered(frozen):
    """Although its steps are imported from the top: what stands beside it is imported from where it is."""
    files = {"scripts/train.py": "import helpers\nfrom zenml import step\n@step\ndef one(): ...\n"}
    look = look_at(frozen(files | {"scripts/helpers.py": ""}), snapshot(one=step("scripts.train", "one")))
    assert (look.roots, look.of_steps) == ([""], ["scripts"])
    fields = LayoutForm(look=look).fields
    assert [name for name, _ in fields["roots"].choices] == [".", "scripts"]
    assert "scripts" in dict(fields["starts_in"].choices)


def test_what_is_put_behind_another_path_begins_nowhere(frozen):
    script = (
        'HERE / "data" / "a.csv"; os.path.join(HERE, "b.csv"); HERE.joinpath("data", "b.csv"); "data/a.csv"'
    )
    files = {"data/a.csv": "", "data/b.csv": "", "run.py": script}
    assert look_at(frozen(files), snapshot(one=step("run", "one"))).folders == [""]


def test_of_two_folders_the_upper_one_comes_first(frozen):
    files = {"z/a.csv": "", "b/y/a.csv": "", "a.csv": "", "run.py": 'open("a.csv")'}
    assert look_at(frozen(files), snapshot(one=step("run", "one"))).folders == ["", "z", "b/y"]


def test_steps_that_are_no_files_of_the_code(frozen):
    files = {"steps.py": "def one(): pass"}
    wanted = snapshot(
        one=step("steps", "one", kind="user"),
        two=step("sklearn.steps", "two", kind="distribution_package"),
    )
    assert states(look_at(frozen(files), wanted)) == {"one": "unknown"}
    with pytest.raises(CodeError, match="notebook"):
        look_at(frozen(files), snapshot(one=step("steps", "one", kind="notebook")))


def test_a_class_and_a_step_below_conditions(frozen):
    text = "class One(BaseStep):\n    def entrypoint(self) -> int:\n        return 1\n"
    recorded = hashlib.sha256(text.encode()).hexdigest()
    files = {"steps.py": f"try:\n    import x\nexcept ImportError:\n    def two(): pass\n{text}"}
    look = look_at(frozen(files), snapshot(one=step("steps", "One", recorded), two=step("steps", "two")))
    assert states(look) == {"one": "same", "two": "unknown"}


ODD = {
    "no Python": "def one(:",
    "bytes": b"\xff\xfe\x00def one",
    "deep": "x = " + "(" * 150 + ")" * 150 + "\ndef one(): pass" + "\n" + "-" * 100_000 + "1",
    "deep to the end": "-" * 200_000 + "1",
    "large": "#" * (1024**2 + 1),
    "NUL": "def one(): pass\0",
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_files_that_are_made_to_break_readers(frozen, text):
    """Each of them ends in an answer or in a sentence, and in a process that is not ours."""
    code_hash = frozen({"steps.py": text})
    try:
        look = look_at(code_hash, snapshot(one=step("steps", "one", "0" * 64)))
    except CodeError as error:
        assert error.reason.startswith("The code can't be read: ")
    else:
        assert states(look)["one"] in ("gone", "edited")


@pytest.mark.parametrize("module", ["/etc/ssl/secret", "..secret", "src/../../secret", "a\0b", "", "."])
def test_names_from_a_run_are_no_paths(frozen, module):
    assert states(look_at(frozen(FILES), snapshot(one=step(module, "x")))) == {"one": "missing"}


def test_the_example_fits_its_own_run(settings):
    look = look_at(freeze(str(Path(__file__).parents[3] / "examples" / "churn")), churn_snapshot())
    assert look.is_complete and missing(look) == "" and look.roots == [""]


def test_a_missing_step_is_named(frozen):
    look = look_at(frozen({"run.py": ""}), churn_snapshot())
    assert (
        missing(look)
        == "The step “load_customers” of the run comes from churn/steps.py, which is not in this code."
    )


def test_steps_say_whether_they_are_there():
    found = StepLook("one", "steps", "steps.py", 1, "edited")
    assert found.is_there and not replace(found, state="gone").is_there


# -- packages that the code names

LISTED = """# ours
pandas>=2,<3  # data
-r more.txt
--index-url https://example.org/simple
scikit-learn==1.5.2 \\
    --hash=sha256:abc
-e .
"""
PROJECT = """[project]
name = "fraud"
dependencies = ["lightgbm>=4", "numpy"]
[project.optional-dependencies]
dev = ["pytest"]
"""
LOCK = """version = 1
[[package]]
name = "fraud"
version = "0.1"
source = { virtual = "." }
[[package]]
name = "numpy"
version = "2.1.0"
source = { registry = "https://pypi.org/simple" }
wheels = [{ url = "https://x/numpy-2.1.0-cp311-manylinux_x86_64.whl" }, { url = "https://x/numpy-win_amd64.whl" }]
[[package]]
name = "pywin32"
version = "306"
source = { registry = "https://pypi.org/simple" }
wheels = [{ url = "https://x/pywin32-306-cp311-win_amd64.whl" }]
"""


def declared(frozen, files) -> dict:
    return look_at(frozen({"a.py": "", **files}), {}).declared


@pytest.mark.parametrize("name", ["pyproject.toml", "uv.lock", "requirements.txt"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe[[[",
        b"[" * 100_000,
        b"a = " + b"{a=" * 5000,
        b"project = 1\npackage = 1",
        b"[project]\ndependencies = {a = 1}\n[[package]]\nname = 1\nversion = []\nsource = 3\nwheels = {}",
        b"[project]\ndependencies = [1, [], {}]\n",
    ],
)
def test_files_of_any_content_are_read_without_harm(frozen, name, content):
    found = declared(frozen, {name: content})
    assert name == "requirements.txt" or found == {}


def test_few_packages_of_one_file_are_read(frozen):
    lines = [f"p{number}" for number in range(3000)]
    files = {"requirements.txt": "\n".join([*lines, "x" * 999]), "uv.lock": b" " * (4 * 1024**2 + 1)}
    assert {path: len(found) for path, found in declared(frozen, files).items()} == {"requirements.txt": 1000}


def test_packages_that_the_code_names(frozen):
    files = {
        "requirements.txt": LISTED,
        "back/requirements.txt": "x",
        "app/pyproject.toml": PROJECT,
        "uv.lock": LOCK,
    }
    assert declared(frozen, files) == {
        "requirements.txt": ["pandas>=2,<3", "scikit-learn==1.5.2"],
        "app/pyproject.toml": ["lightgbm>=4", "numpy"],
        "uv.lock": ["numpy==2.1.0"],
    }


@pytest.fixture
def boxes(monkeypatch) -> list:
    """The looks that needed a box."""
    started, answer_of = [], layout.answer_of

    def counted(*args, **kwargs):
        started.append(args)
        return answer_of(*args, **kwargs)

    monkeypatch.setattr(layout, "answer_of", counted)
    return started


def test_the_same_is_looked_for_once(boxes, frozen):
    """By any of the pages on a person's way; other steps, other roots and other code are looked at."""
    code = frozen(FILES | {"once.py": ""})
    first = look_at(code, FRAUD)
    assert look_at(code, FRAUD) == first
    assert len(boxes) == 1
    look_at(code, FRAUD, roots=["src"])
    look_at(code, snapshot(one=step("once", "one")))
    look_at(frozen(FILES | {"once.py": "# edited"}), FRAUD)
    assert len(boxes) == 4


def test_what_is_gone_is_not_remembered(boxes, frozen):
    code = frozen(FILES | {"gone.py": ""})
    look_at(code, FRAUD)
    shutil.rmtree(code_folder(code))
    with pytest.raises(CodeError):
        look_at(code, FRAUD)
    assert len(boxes) == 2


def test_a_long_answer_is_not_kept(boxes, frozen, monkeypatch):
    monkeypatch.setattr(layout, "MOST_REMEMBERED", 100)
    code = frozen(FILES | {"long.py": ""})
    assert look_at(code, FRAUD) == look_at(code, FRAUD)
    assert len(boxes) == 2
