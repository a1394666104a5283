"""What is installed is what was tested: constraints.txt names each version, and every command that installs reads it."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


def constrained() -> dict[str, str]:
    """Name -> version, of the packages that this platform needs."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    stated = [Requirement(line) for line in lines if line and not line.startswith("#")]
    here = [one for one in stated if not one.marker or one.marker.evaluate()]
    return {canonicalize_name(one.name): str(one.specifier).removeprefix("==") for one in here}


def asked_for() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    return [Requirement(line) for group in groups for line in group]


def test_every_dependency_has_one_tested_version():
    versions = constrained()
    for one in asked_for():
        assert one.specifier.contains(versions[canonicalize_name(one.name)]), one


def test_these_versions_are_installed():
    installed = {canonicalize_name(one.name): one.version for one in metadata.distributions()}
    expected = constrained()
    assert {name: installed.get(name) for name in expected} == expected


@pytest.mark.parametrize("file", ["README.md", "CONTRIBUTING.md", ".ci/run"])
def test_every_command_that_installs_reads_them(file):
    commands = re.findall(r"\.venv/bin/pip install .*", (ROOT / file).read_text())
    assert commands
    assert all("-c constraints.txt" in command for command in commands)
