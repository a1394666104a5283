import pytest

from tenants.run_templates.environments import RequirementsRefused, RunEnvironments, check_requirements
from tenants.servers.base import EnvironmentFailed


@pytest.fixture
def environments(tmp_path):
    return RunEnvironments(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-e /srv/code", "options are not supported"),
        ("--index-url http://x", "options are not supported"),
        ("-r other.txt", "options are not supported"),
        ("./package", "paths are not supported"),
        ("/srv/package.whl", "paths are not supported"),
        ("../package", "paths are not supported"),
        ("thing @ file:///etc/passwd", "paths are not supported"),
        ("thing @ ./local", "paths are not supported"),
    ],
)
def test_options_and_paths_are_refused(line, message):
    with pytest.raises(RequirementsRefused, match=message):
        check_requirements(f"pandas\n{line}\n")


def test_packages_markers_and_addresses_are_right():
    check_requirements("# mine\n\npandas>=2,<3  # data\nscikit-learn[x]==1.5; python_version > '3.9'\n")
    check_requirements("thing @ https://example.org/thing-1.0-py3-none-any.whl")


def test_the_key_depends_on_what_is_in_it_and_not_on_how_it_is_written(environments):
    key = environments.key("0.98.0", "b\na==1  # why\n")
    assert key == environments.key("0.98.0", "\na==1\n\nb\n")
    assert len({key, environments.key("0.98.0", "b"), environments.key("0.97.0", "a==1\nb")}) == 3
    assert environments.packages(key) == ["zenml==0.98.0", "a==1", "b"]
    assert environments.path(key).name == f"run-{key}"


def test_a_version_is_nothing_but_a_version(environments):
    with pytest.raises(EnvironmentFailed, match="is not a ZenML version"):
        environments.key("0.98.0 --evil", "")


def test_what_is_built_is_reused(environments, monkeypatch):
    calls = []

    def uv(lock, *args):
        calls.append(args[0])
        if args[0] == "venv":
            (args[-1] / "bin").mkdir()
            (args[-1] / "bin" / "python").touch()

    monkeypatch.setattr(environments, "_uv", uv)
    assert not environments.ready("0.98.0", "a")
    python = environments.prepare("0.98.0", "a")
    assert python.exists()
    assert environments.ready("0.98.0", "a")
    assert environments.prepare("0.98.0", "a") == python
    assert calls == ["venv", "pip"]


def test_a_failure_shows_the_resolvers_words_and_leaves_nothing(environments, monkeypatch):
    def uv(lock, *args):
        raise EnvironmentFailed("ZenML could not be installed: no version of a==9.")

    monkeypatch.setattr(environments, "_uv", uv)
    with pytest.raises(EnvironmentFailed, match="The packages could not be installed: no version of a==9."):
        environments.prepare("0.98.0", "a==9")
    kept = (environments.yard.name, ".lock")
    assert not [path for path in environments.folder.iterdir() if not path.name.startswith(kept)]
