import os
import stat
from pathlib import Path

import pytest

from tenants.run_templates import code
from tenants.run_templates.code import CodeError, check_modules, checked_location, code_folder, freeze

from .samples import churn_snapshot


@pytest.fixture
def project(settings, tmp_path):
    settings.ZENPRO_DATA, settings.ZENPRO_CODE_ROOTS = tmp_path / "data", [tmp_path]
    folder = tmp_path / "project"
    (folder / "churn").mkdir(parents=True)
    (folder / "churn" / "steps.py").write_text("step = 1\n")
    (folder / "data.csv").write_text("a,b\n")
    return folder


def files(code_hash):
    home = code_folder(code_hash)
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if not path.is_dir())


def refusal_of(location) -> str:
    with pytest.raises(CodeError) as refusal:
        freeze(str(location))
    return refusal.value.reason


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("relative/path", "Enter the full path"),
        ("", "Enter the full path"),
        ("{root}/a\0b", "Enter the full path"),
        ("{root}/missing", "There is no directory {root}/missing on this machine."),
        ("{root}/project/data.csv", "is not a directory"),
        ("{root}/project/data.csv/more", "There is no directory"),
        ("{root}/" + "x" * 300, "There is no directory"),
    ],
)
def test_what_is_no_directory_is_refused(project, location, message):
    root = project.parent
    assert message.format(root=root) in refusal_of(location.format(root=root))


@pytest.fixture
def outside(tmp_path_factory):
    """Somewhere else on the machine: a directory, a file, and a directory that nobody may enter."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "there").mkdir()
    (folder / "file.py").touch()
    (folder / "closed").mkdir(mode=0)
    yield folder
    (folder / "closed").chmod(0o700)


OUTSIDE = "Code may only come from directories that the operator of ZenPro has allowed."
WAYS_OUT = [
    "{outside}/there",
    "{outside}/missing",
    "{outside}/file.py",
    "{outside}/file.py/more",
    "{outside}/closed",
    "{outside}/closed/more",
    "{outside}/" + "x" * 300,
    "{outside}/loop",
    "/half/\ud800",
    "/",
    "/etc",
    "/no/such/directory",
    "/proc/1/root",
    "/proc/self/fd/0",
    "{root}/project/../../{name}/there",
    "{root}/project/../../{name}/missing",
    "{root}/link/there",
    "{root}/link/missing",
    "{root}/link/closed/more",
    "{root}/link",
    "{root}/project/hop/there",
]


@pytest.mark.parametrize("location", WAYS_OUT)
def test_outside_of_the_allowed_directories_everything_looks_the_same(project, outside, location):
    root = project.parent
    (outside / "loop").symlink_to(outside / "loop")
    (root / "link").symlink_to(outside)
    (project / "hop").symlink_to(root / "link")
    assert refusal_of(location.format(root=root, outside=outside, name=f"../{outside.name}")) == OUTSIDE


def test_nothing_is_allowed_unless_it_is_set_but_what_came_with_zenpro(project, settings):
    settings.ZENPRO_CODE_ROOTS = []
    assert refusal_of(project) == OUTSIDE
    assert refusal_of("/nowhere") == OUTSIDE
    churn = settings.ZENPRO_SHIPPED_CODE / "churn"
    assert checked_location(str(churn)) == churn.resolve()


def test_an_allowed_directory_that_is_not_there_allows_nothing(project, settings):
    settings.ZENPRO_CODE_ROOTS = ["/srv/not-there"]
    assert refusal_of(project) == OUTSIDE
    assert "There is no directory" in refusal_of("/srv/not-there")


def test_a_name_that_only_begins_like_an_allowed_one_is_outside(project, settings):
    settings.ZENPRO_CODE_ROOTS = [str(project)]
    beside = project.with_name("project-of-others")
    beside.mkdir()
    assert refusal_of(beside) == OUTSIDE


def test_our_own_data_is_never_code(project, settings):
    assert "own data folder" in refusal_of(project.parent)
    (settings.ZENPRO_DATA / "tenants").mkdir(parents=True)
    assert "own data folder" in refusal_of(settings.ZENPRO_DATA / "tenants")


def test_an_allowed_directory_that_we_may_not_read_is_told(project, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may read everything
    assert "ZenPro may not read" in refusal_of(project)


def test_a_link_out_of_the_directory_is_named(project):
    (project / "secrets").symlink_to("/etc/passwd")
    with pytest.raises(CodeError, match="secrets is a link to /etc/passwd"):
        freeze(str(project))
    assert not list((project.parent / "data" / "code").iterdir())


def test_too_much_is_refused_and_leaves_nothing(project, monkeypatch):
    monkeypatch.setattr(code, "MAX_BYTES", 10)
    with pytest.raises(CodeError, match="holds more than"):
        freeze(str(project))
    assert not list((project.parent / "data" / "code").iterdir())


def test_a_directory_nested_without_end_is_refused(project):
    deep = project
    for _ in range(code.MAX_DEPTH + 1):
        deep = deep / "d"
    deep.mkdir(parents=True)
    assert "nested more than 100 folders deep" in refusal_of(project)


def test_an_empty_directory_is_refused(project, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(CodeError, match="empty"):
        freeze(str(tmp_path / "empty"))


def test_the_copy_holds_what_matters_and_cannot_be_written(project):
    for name in (".git/config", "__pycache__/a.pyc", "churn/b.pyc", ".venv/lib/x.py", "node_modules/y.js"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("no")
    (project / "run.sh").write_text("#!/bin/sh\n")
    (project / "run.sh").chmod(0o755)
    (project / "latest.csv").symlink_to(project / "data.csv")
    code_hash = freeze(str(project))
    home = code_folder(code_hash)
    assert files(code_hash) == ["churn/steps.py", "data.csv", "latest.csv", "run.sh"]
    assert os.readlink(home / "latest.csv") == "data.csv"
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in (home, home / "data.csv", home / "run.sh")
    }
    assert list(modes.values()) == [0o555, 0o444, 0o555]


def test_the_same_content_is_kept_once_and_other_content_beside_it(project):
    first = freeze(str(project))
    (project / ".git").mkdir()
    (project / ".git" / "HEAD").write_text("moved")
    assert freeze(str(project)) == first
    (project / "data.csv").write_text("a,c\n")
    second = freeze(str(project))
    assert second != first
    assert (code_folder(first) / "data.csv").read_text() == "a,b\n"
    assert sorted(path.name for path in code_folder(first).parent.iterdir()) == sorted([first, second])


def test_the_hash_sees_names_and_kinds(project):
    first = freeze(str(project))
    (project / "data.csv").rename(project / "other.csv")
    second = freeze(str(project))
    (project / "other.csv").chmod(0o755)
    assert len({first, second, freeze(str(project))}) == 3


def test_a_copy_killed_half_way_is_not_taken_for_one_and_is_cleaned_up(project, settings):
    half = settings.ZENPRO_DATA / "code" / ".copy-dead"
    half.mkdir(parents=True)
    (half / "a.py").write_text("half")
    os.utime(half, (0, 0))
    freeze(str(project))
    assert not half.exists()


def test_a_missing_module_is_named(project):
    snapshot = churn_snapshot()
    check_modules(str(project), snapshot)
    (project / "churn" / "steps.py").unlink()
    with pytest.raises(
        CodeError, match="There is no churn/steps.py in this directory, where the step “load_cust"
    ):
        check_modules(str(project), snapshot)
    (project / "churn" / "steps").mkdir()
    (project / "churn" / "steps" / "__init__.py").touch()
    check_modules(str(project), snapshot)


@pytest.mark.parametrize(
    "module",
    ["/etc/ssl/secret", "..outside.secret", "churn/../../outside/secret", "way.secret", "a\0b", "", "."],
)
def test_a_recorded_module_is_not_looked_for_outside_of_the_directory(project, module):
    outside = project.parent / "outside"
    outside.mkdir()
    (outside / "secret.py").touch()
    (project / "way").symlink_to(outside)
    snapshot = churn_snapshot()
    for configuration in snapshot["metadata"]["step_configurations"].values():
        configuration["spec"]["source"]["module"] = module
    with pytest.raises(CodeError, match="in this directory"):
        check_modules(str(project), snapshot)


def test_a_file_that_is_swapped_for_a_link_while_it_is_copied_is_not_followed(project, monkeypatch):
    secret = project.parent / "secret"
    secret.write_text("secret")
    look = os.path.islink

    def swap(path):
        answer = look(path)
        if str(path).endswith("data.csv") and not answer:
            (project / "data.csv").unlink()
            (project / "data.csv").symlink_to(secret)
        return answer

    monkeypatch.setattr(os.path, "islink", swap)
    monkeypatch.setattr(Path, "is_symlink", swap)
    with pytest.raises(CodeError):
        freeze(str(project))
    assert not list((project.parent / "data" / "code").iterdir())


def test_a_step_from_a_notebook_is_refused(project):
    snapshot = churn_snapshot()
    snapshot["metadata"]["step_configurations"]["train"]["spec"]["source"]["type"] = "notebook"
    with pytest.raises(CodeError, match="“train” was written in a notebook"):
        check_modules(str(project), snapshot)


def test_the_example_fits_its_own_snapshot():
    check_modules(str(Path(__file__).parents[3] / "examples" / "churn"), churn_snapshot())
