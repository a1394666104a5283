import hashlib
import os
import stat
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from tenants.run_templates.engine import code
from tenants.run_templates.engine.code import (
    CodeError,
    code_folder,
    freeze,
)
from tests.tenants.hosting.conftest import bury, opened_below


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


OUTSIDE = "Code can only come from directories that the operator of ZenPro has allowed."
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
    assert code_folder(freeze(str(churn))).is_dir()


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
    assert "ZenPro isn't allowed to read" in refusal_of(project)


def test_a_link_out_of_the_directory_is_named(project):
    (project / "secrets").symlink_to("/etc/passwd")
    with pytest.raises(CodeError, match="secrets links to /etc/passwd"):
        freeze(str(project))
    assert not list((project.parent / "data" / "code").iterdir())


def test_too_much_is_refused_and_leaves_nothing(project, monkeypatch):
    monkeypatch.setattr(code, "MAX_BYTES", 10)
    with pytest.raises(CodeError, match="contains more than"):
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


def test_a_copy_of_any_depth_is_cleaned_up(project, settings):
    half = settings.ZENPRO_DATA / "code" / ".copy-deep"
    os.close(bury(half))
    (half / "closed" / "inner").mkdir(parents=True)
    (half / "closed").chmod(0)
    os.utime(half, (0, 0))
    code_hash = freeze(str(project))
    assert copies(settings) == [code_folder(code_hash)]


class Listed:
    """What os.scandir answers, with something that happens after the listing and before anything in it is opened."""

    def __init__(self, entries, then):
        self.entries, self.then = iter(entries), then

    def __iter__(self):
        return self

    def __next__(self):
        try:
            return next(self.entries)
        except StopIteration:
            self.then()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture
def after_listing(monkeypatch):
    """Lets something happen once, between the listing of the folder that holds a name and the opening of that name."""
    scandir = os.scandir

    def arrange(name, then):
        waiting = [then]

        def listing(folder="."):
            with scandir(folder) as entries:
                found = list(entries)
            here = any(entry.name == name for entry in found)
            return Listed(found, waiting.pop() if here and waiting else lambda: None)

        monkeypatch.setattr(os, "scandir", listing)

    return arrange


def replace_by_link(path, aim):
    path.rename(path.parent.parent / f"{path.parent.name}-{path.name}-away")
    path.symlink_to(aim)


@pytest.fixture
def precious(tmp_path_factory):
    """A folder outside that looks like one of the project's."""
    folder = tmp_path_factory.mktemp("precious")
    (folder / "steps.py").write_text("secret")
    return folder


def copies(settings) -> list[Path]:
    return list((settings.ZENPRO_DATA / "code").iterdir())


def test_a_file_that_is_swapped_for_a_link_while_it_is_copied_is_not_followed(
    project, settings, precious, after_listing
):
    after_listing("data.csv", lambda: replace_by_link(project / "data.csv", precious / "steps.py"))
    assert "cannot be copied" in refusal_of(project)
    assert copies(settings) == []


def test_a_folder_that_is_swapped_for_a_link_while_it_is_copied_is_not_followed(
    project, settings, precious, after_listing
):
    after_listing("churn", lambda: replace_by_link(project / "churn", precious))
    assert "cannot be copied" in refusal_of(project)
    assert copies(settings) == []


@pytest.mark.parametrize("swapped", ["project", "project/churn"])
def test_a_place_that_is_swapped_after_it_was_checked_is_outside(
    project, settings, precious, monkeypatch, swapped
):
    """The place itself and a folder on the way to it."""
    place = project.parent / swapped
    (precious / "churn").mkdir()
    (precious / "churn" / "steps.py").write_text("secret")
    look = code._allowed

    def swap(path):
        answer = look(path)
        replace_by_link(place if swapped == "project" else project, precious)
        return answer

    monkeypatch.setattr(code, "_allowed", swap)
    assert refusal_of(place) in (OUTSIDE, f"{place} is not a directory.")
    assert not (settings.ZENPRO_DATA / "code").exists() or copies(settings) == []


def test_folders_swapped_again_and_again_never_lead_outside(project, settings, precious):
    """Whatever the copies were made of in the meantime, nothing from outside is in any of them."""
    (precious / "steps.py").write_text("secret")
    ended = threading.Event()

    def swapping():
        while not ended.is_set():
            os.rename(project / "churn", project.parent / "away")
            os.symlink(precious, project / "churn")
            os.unlink(project / "churn")
            os.rename(project.parent / "away", project / "churn")

    swapper = threading.Thread(target=swapping)
    swapper.start()
    try:
        for _ in range(200):
            with suppress(CodeError):
                freeze(str(project))
    finally:
        ended.set()
        swapper.join()
    assert opened_below(project.parent) == []
    texts = {path.read_text() for copy in copies(settings) for path in copy.rglob("*") if path.is_file()}
    assert texts <= {"step = 1\n", "a,b\n"}


def test_a_file_that_grows_while_it_is_copied_is_refused(project, settings, monkeypatch):
    sha256 = hashlib.sha256

    class Growing:
        """A hash that makes the file longer whenever a part of it has been read."""

        def __init__(self, data=b""):
            self.hash = sha256(data)

        def update(self, chunk):
            self.hash.update(chunk)
            with open(project / "data.csv", "ab") as file:
                file.write(b"x" * 100 * (file.tell() < 5000))

        def hexdigest(self):
            return self.hash.hexdigest()

    monkeypatch.setattr(code, "MAX_BYTES", 1000)
    monkeypatch.setattr(code, "CHUNK", 100)
    monkeypatch.setattr(hashlib, "sha256", Growing)
    assert "contains more than" in refusal_of(project)
    assert copies(settings) == []


def test_a_name_that_is_listed_twice_while_names_change_is_refused(project, settings, monkeypatch):
    entries = code._entries
    monkeypatch.setattr(code, "_entries", lambda folder: [*entries(folder), *entries(folder)])
    assert "cannot be copied" in refusal_of(project)
    assert copies(settings) == []


def test_links_that_go_round_in_a_circle_are_refused(project, settings):
    (project / "a").symlink_to("b")
    (project / "b").symlink_to("a")
    assert refusal_of(project) == "a is a link that goes in a circle, or through too many other links."
    assert copies(settings) == []


def test_ways_of_links_are_not_followed_without_end(project, settings, monkeypatch):
    monkeypatch.setattr(code, "MAX_STEPS", 1000)
    for number in range(10):
        (project / f"a{number}").symlink_to("churn/../" * 100)
    assert "through too many other links" in refusal_of(project)
    assert copies(settings) == []


def test_folders_without_files_have_an_end_too(project, settings, monkeypatch):
    monkeypatch.setattr(code, "MAX_NAMES", 10)
    for number in range(10):
        (project / f"a{number}").mkdir()
    assert "contains more than" in refusal_of(project)
    assert copies(settings) == []


@pytest.fixture
def many_kinds(project):
    """One of each kind that counts in a hash."""
    (project / "run.sh").write_text("#!/bin/sh\n")
    (project / "run.sh").chmod(0o755)
    (project / ".venv").mkdir()
    (project / ".venv" / "python").touch()
    (project / ".venv" / "python3").symlink_to("python")
    (project / "empty" / "in").mkdir(parents=True)
    (project / "grüße \n.txt").write_text("x" * 3000)
    (project / os.fsdecode(b"half-\xff")).touch()
    (project / "a.b").mkdir()
    (project / "a.b" / "c").write_text("sorted differently as a whole")
    (project / "folder").symlink_to("churn")
    (project / "through").symlink_to("folder/steps.py")
    (project / "chain").symlink_to("through")
    (project / "itself").symlink_to(".")
    (project / "dangling").symlink_to("none/../not-there")
    (project / "ignored").symlink_to(".venv/python3")
    (project / "churn" / "up").symlink_to("../data.csv")
    (project / "churn" / "absolute").symlink_to(project / "data.csv")
    (project / "round").symlink_to("../project/churn/../data.csv")
    (project.parent / "alias").symlink_to(project)
    (project / "alias").symlink_to(project.parent / "alias" / "data.csv")
    return project


KNOWN = "73d87396b0207597de4029f9f5cad224878504d86078bc3ef98051f5e7baf057"


def test_the_hash_of_the_same_content_is_the_same_for_ever(many_kinds):
    """Templates name their code by it."""
    assert freeze(str(many_kinds)) == KNOWN
    links = {path.name: os.readlink(path) for path in code_folder(KNOWN).rglob("*") if path.is_symlink()}
    assert links == {
        "absolute": "../data.csv",
        "alias": "data.csv",
        "chain": "churn/steps.py",
        "dangling": "not-there",
        "folder": "churn",
        "ignored": ".venv/python",
        "itself": ".",
        "round": "data.csv",
        "through": "churn/steps.py",
        "up": "../data.csv",
    }


def test_few_descriptors_are_open_at_a_time(project):
    deep = project.joinpath(*["d"] * code.MAX_DEPTH)
    deep.mkdir(parents=True)
    (deep / "a.py").touch()
    freeze(str(project))
    assert opened_below(project.parent) == []
