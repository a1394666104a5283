import os
import stat
from pathlib import Path

import pytest

from tenants.run_templates import code
from tenants.run_templates.code import CodeError, check_modules, code_folder, freeze

from .samples import churn_snapshot


@pytest.fixture
def project(settings, tmp_path):
    settings.ZENPRO_DATA, settings.ZENPRO_CODE_ROOTS = tmp_path / "data", []
    folder = tmp_path / "project"
    (folder / "churn").mkdir(parents=True)
    (folder / "churn" / "steps.py").write_text("step = 1\n")
    (folder / "data.csv").write_text("a,b\n")
    return folder


def files(code_hash):
    home = code_folder(code_hash)
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if not path.is_dir())


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("relative/path", "Enter the full path"),
        ("/no/such/directory", "There is no directory /no/such/directory on this machine."),
        ("/etc/hostname", "is not a directory"),
        ("/a\0b", "Enter the full path"),
    ],
)
def test_what_is_no_directory_is_refused(project, location, message):
    with pytest.raises(CodeError) as refusal:
        freeze(location)
    assert message in refusal.value.reason


def test_only_allowed_roots_and_never_our_own_data(project, settings):
    with pytest.raises(CodeError, match="own data folder"):
        freeze(str(project.parent))
    (settings.ZENPRO_DATA / "tenants").mkdir(parents=True)
    with pytest.raises(CodeError, match="own data folder"):
        freeze(str(settings.ZENPRO_DATA / "tenants"))
    settings.ZENPRO_CODE_ROOTS = ["/srv/code"]
    with pytest.raises(CodeError, match="only come from /srv/code"):
        freeze(str(project))


def test_a_link_does_not_lead_around_the_allowed_roots(project, settings, tmp_path):
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (allowed / "link").symlink_to(project)
    settings.ZENPRO_CODE_ROOTS = [str(allowed)]
    with pytest.raises(CodeError, match="only come from"):
        freeze(str(allowed / "link"))


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


def test_a_step_from_a_notebook_is_refused(project):
    snapshot = churn_snapshot()
    snapshot["metadata"]["step_configurations"]["train"]["spec"]["source"]["type"] = "notebook"
    with pytest.raises(CodeError, match="“train” was written in a notebook"):
        check_modules(str(project), snapshot)


def test_the_example_fits_its_own_snapshot():
    check_modules(str(Path(__file__).parents[3] / "examples" / "churn"), churn_snapshot())
