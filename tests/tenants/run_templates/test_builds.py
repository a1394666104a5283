"""Environments made by the real uv from an index on this machine: what runs while they are made, and what is said."""

import json
from pathlib import Path

import pytest
from package_index import running_index

from tenants.hosting.base import EnvironmentFailed
from tenants.hosting.local.environments import Environments
from tenants.hosting.local.index import PackageIndex
from tenants.run_templates.engine.run_environments import RunEnvironments

ORGANIZATION = "5f1c0a52-0000-4000-8000-000000000001"


@pytest.fixture
def index():
    with running_index() as index:
        yield index


@pytest.fixture
def mark(tmp_path):
    """A file that only foreign code writes, where no box keeps it from that."""
    return tmp_path / "foreign code ran"


@pytest.fixture
def environments(tmp_path, index, monkeypatch):
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    return RunEnvironments(tmp_path / "data", index=PackageIndex((index.url,)))


@pytest.fixture
def unboxed(environments):
    """Nothing is held by walls: what does not happen here does not happen because it is not tried."""
    environments.isolation = "none"
    return environments


def writes(mark) -> str:
    return f"open({str(mark)!r}, 'a').write('yes')\n"


BACKEND = """
import contextlib, json, os, pathlib, zipfile

data = pathlib.Path({data!r})
seen = dict(environment=dict(os.environ), files=[str(path) for path in data.rglob("*")])
with contextlib.suppress(OSError):
    open({mark!r}, "a").write("yes")


def build_wheel(folder, config_settings=None, metadata_directory=None):
    info = "sdistonly-1.0.dist-info"
    with zipfile.ZipFile(f"{{folder}}/sdistonly-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("sdistonly.json", json.dumps(seen))
        wheel.writestr("sdistonly.py", "x = 1")
        wheel.writestr(f"{{info}}/METADATA", "Metadata-Version: 2.1\\nName: sdistonly\\nVersion: 1.0\\n")
        wheel.writestr(f"{{info}}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{{info}}/RECORD", "")
    return "sdistonly-1.0-py3-none-any.whl"
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "sdistonly"
version = "1.0"
"""


def source_package(index, mark):
    index.source(
        "sdistonly", backend_py=BACKEND.format(mark=str(mark), data=str(mark.parent)), pyproject_toml=PROJECT
    )


@pytest.mark.parametrize("line", ["evil @ {address}/{{}}.tar.gz", "evil @ {address}/${{HOME}}.tar.gz"])
def test_a_row_written_before_the_rule_asks_nobody_and_builds_nothing(environments, index, line):
    with pytest.raises(EnvironmentFailed, match="Line 1.*URLs are not supported"):
        environments.prepare("0.98.0", line.format(address=index.address))
    assert index.requests == []
    assert not environments.ready("0.98.0", line.format(address=index.address))


def test_a_source_package_is_refused_in_plain_words_and_its_code_does_not_run(unboxed, index, mark):
    source_package(index, mark)
    with pytest.raises(EnvironmentFailed) as refusal:
        unboxed.prepare("0.98.0", "sdistonly")
    assert "“sdistonly” has no ready-made package (wheel)" in refusal.value.reason
    assert "An Admin of the organization can allow" in refusal.value.reason
    assert not mark.exists()
    assert not unboxed.ready("0.98.0", "sdistonly")


def test_a_source_package_that_another_package_needs_is_refused_as_well(unboxed, index, mark):
    source_package(index, mark)
    index.wheel("outer", needs=["sdistonly"])
    with pytest.raises(EnvironmentFailed, match="“sdistonly” has no ready-made package"):
        unboxed.prepare("0.98.0", "outer")
    assert not mark.exists()


def test_no_code_of_a_wheel_runs_while_its_environment_is_made(unboxed, index, mark):
    index.wheel("quiet", quiet_pth=f"import os; {writes(mark)}", quiet_py="x = 1\n")
    python = unboxed.prepare("0.98.0", "quiet")
    assert not mark.exists()
    assert [*python.parent.parent.glob("lib/*/site-packages/__pycache__/quiet.*.pyc")]


def test_a_name_that_looks_like_a_file_stays_a_name(environments, index, mark):
    index.wheel("local")
    environments.folder.mkdir(parents=True)
    (environments.folder / "local-1.0-py3-none-any.whl").write_bytes(
        index.files["local-1.0-py3-none-any.whl"]
    )
    with pytest.raises(EnvironmentFailed, match="local-1-0-py3-none-any-whl"):
        environments.prepare("0.98.0", "local-1.0-py3-none-any.whl")


def test_the_index_comes_from_our_settings_alone(environments, index, monkeypatch, tmp_path):
    (tmp_path / "uv.toml").write_text("no-index = true\n")
    monkeypatch.setenv("UV_CONFIG_FILE", str(tmp_path / "uv.toml"))
    environments.folder.mkdir(parents=True)
    (environments.folder / "uv.toml").write_text("no-index = true\n")
    assert environments.prepare("0.98.0", "").exists()
    assert "/simple/zenml/" in index.requests


def test_an_index_with_a_password_is_read_and_the_password_shown_nowhere(tmp_path, index, monkeypatch):
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    index.password = "opensesame"
    address = index.url.replace("http://", "http://reader:opensesame@")
    environments = RunEnvironments(tmp_path / "data", index=PackageIndex((address,)))
    assert environments.prepare("0.98.0", "").exists()
    with pytest.raises(EnvironmentFailed) as refusal:
        environments.prepare("0.98.0", "missing")
    assert "opensesame" not in refusal.value.reason
    assert "opensesame" not in " ".join(environments.index.arguments)
    assert "opensesame" not in "\n".join(environments.state_of("0.98.0", "missing").lines)


def test_with_builds_allowed_it_is_built_for_that_organization_alone(unboxed, index, mark):
    source_package(index, mark)
    python = unboxed.prepare("0.98.0", "sdistonly", ORGANIZATION)
    assert mark.exists()
    assert [*python.parent.parent.glob("lib/*/site-packages/sdistonly.py")]
    other = ORGANIZATION.replace("5", "6")
    keys = [unboxed.key("0.98.0", "sdistonly", builds) for builds in ("", ORGANIZATION, other)]
    assert len(set(keys)) == 3
    assert not unboxed.ready("0.98.0", "sdistonly")
    assert not unboxed.ready("0.98.0", "sdistonly", other)


def test_what_builds_sees_its_own_folder_and_no_secret(environments, index, mark, monkeypatch, tmp_path):
    monkeypatch.setenv("DATABASE_PASSWORD", "opensesame")
    (tmp_path / "data" / "envs" / ".uv" / "build-of-somebody-else").mkdir(parents=True)
    (tmp_path / "keys.json").touch()
    source_package(index, mark)
    python = environments.prepare("0.98.0", "sdistonly", ORGANIZATION)
    [report] = python.parent.parent.glob("lib/*/site-packages/sdistonly.json")
    seen = json.loads(report.read_text())
    assert not mark.exists()  # what was written in its place is gone with the box
    assert "opensesame" not in str(seen["environment"])
    way = [mark, environments.folder.parent, environments.folder, environments.yard]
    own = f"{environments.yard}/build-{environments.key('0.98.0', 'sdistonly', ORGANIZATION)}-"
    assert [path for path in seen["files"] if Path(path) not in way and not path.startswith(own)] == []


def test_what_was_built_reaches_nobody_through_the_cache_of_uv(environments, index, mark, tmp_path):
    assert environments.prepare("0.98.0", "").exists()
    assert [*(tmp_path / "cache").iterdir()]
    source_package(index, mark)
    python = environments.prepare("0.98.0", "sdistonly", ORGANIZATION)
    assert not [*(tmp_path / "cache").rglob("*sdistonly*")]
    assert not (python.parent.parent / ".cache").exists()
    with pytest.raises(EnvironmentFailed, match="has no ready-made package"):
        environments.prepare("0.98.0", "sdistonly")


def test_without_requirements_there_is_nothing_to_build(environments):
    assert environments.key("0.98.0", "# none", ORGANIZATION) == environments.key("0.98.0", "")


def compiled_in(python, name: str) -> Path:
    [found] = python.parent.parent.glob(f"lib/*/site-packages/__pycache__/{name}.*.pyc")
    return found


def test_what_is_compiled_for_servers_is_not_compiled_again(unboxed, index):
    index.wheel("zenml", "0.98.0", needs=["shared"])
    index.wheel("shared", shared_py="x = 1\n")
    servers = Environments(unboxed.folder.parent, index=unboxed.index, isolation="none")
    servers.install("0.98.0")
    python = unboxed.prepare("0.98.0", "")
    assert compiled_in(python, "shared").samefile(compiled_in(servers.python("0.98.0"), "shared"))


def test_nothing_compiled_is_taken_from_what_people_asked_for(unboxed, index):
    """A wheel can bring compiled files for whatever lies beside it."""
    index.wheel("shared", shared_py="x = 1\n")
    index.wheel("planting", planting_py="")
    first, second = (unboxed.prepare("0.98.0", wanted) for wanted in ("planting\nshared", "shared"))
    assert not compiled_in(first, "shared").samefile(compiled_in(second, "shared"))
