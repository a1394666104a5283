"""Compiled files shared between environments: only of the very same source, and nothing that was there is replaced."""

import os
import py_compile
from importlib.util import cache_from_source

import pytest

from tenants.hosting.local.bytecode import take_over


@pytest.fixture
def made(tmp_path):
    """An environment with one package, compiled."""
    package = tmp_path / "made" / "package"
    package.mkdir(parents=True)
    (package / "words.py").write_text("WORD = 'well'\n")
    py_compile.compile(package / "words.py", doraise=True)
    return tmp_path / "made"


@pytest.fixture
def new(made, tmp_path):
    """Another one with the same package, as uv makes it: from the same files."""
    place = tmp_path / "new" / "package"
    place.mkdir(parents=True)
    os.link(made / "package" / "words.py", place / "words.py")
    return tmp_path / "new"


def compiled_in(environment):
    found = cache_from_source(environment / "package" / "words.py")
    return environment / os.path.relpath(found, environment)


def test_what_is_compiled_from_the_same_file_is_taken_over(made, new):
    assert take_over(made, new) == 1
    assert compiled_in(new).samefile(compiled_in(made))


def test_another_file_of_the_same_name_is_not_the_same(made, new):
    source = new / "package" / "words.py"
    source.unlink()
    source.write_text("WORD = 'well'\n")
    assert take_over(made, new) == 0
    assert not compiled_in(new).exists()


def test_what_is_there_stays(made, new):
    compiled_in(new).parent.mkdir()
    compiled_in(new).write_bytes(b"its own")
    assert take_over(made, new) == 0
    assert compiled_in(new).read_bytes() == b"its own"


@pytest.mark.parametrize("where", ["package", "package/__pycache__"])
def test_links_lead_nowhere(made, new, tmp_path, where):
    """A package can't put files anywhere else by being a link."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    if where == "package":
        (new / "package").rename(tmp_path / "moved")
        os.link(tmp_path / "moved" / "words.py", elsewhere / "words.py")
    (new / where).symlink_to(elsewhere)
    before = sorted(elsewhere.rglob("*"))
    assert take_over(made, new) == 0
    assert sorted(elsewhere.rglob("*")) == before


def test_a_package_that_is_in_one_alone_changes_nothing(made, new):
    (made / "other" / "__pycache__").mkdir(parents=True)
    (made / "other" / "__pycache__" / "more.cpython-311.pyc").touch()
    assert take_over(made, new) == 1
    assert not (new / "other").exists()
