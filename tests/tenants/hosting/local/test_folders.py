"""Removing folders in which anything may be."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tenants.hosting.local import folders
from tenants.hosting.local.folders import remove
from tests.tenants.hosting.conftest import bury, opened_below

ROOT = Path(__file__).parents[4]


@pytest.fixture
def place(tmp_path):
    """A folder with a bit of everything in it."""
    folder = tmp_path / "place"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "file").write_text("x")
    (folder / "a" / "read-only").mkdir(mode=0o555)
    (folder / "empty").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "dangling").symlink_to("nowhere")
    return folder


def test_everything_is_removed_and_no_descriptor_stays_open(place):
    assert remove(place)
    assert not place.exists()
    assert place.parent.exists()
    assert opened_below(place.parent) == []


def test_nothing_is_as_good_as_removed(tmp_path):
    (tmp_path / "file").touch()
    assert remove(tmp_path / "none")
    assert remove(tmp_path / "none" / "in")
    assert remove(tmp_path / "file" / "in")


def test_a_file_and_a_link_are_removed_themselves(place):
    link = place.with_name("link")
    link.symlink_to(place)
    assert remove(link)
    assert not link.is_symlink()
    assert remove(place / "a" / "b" / "file")
    assert (place / "a" / "b").exists()


def test_where_links_lead_nothing_is_touched(place, tmp_path):
    (tmp_path / "precious").mkdir(mode=0o500)
    (tmp_path / "precious" / "file").touch()
    (place / "a" / "link").symlink_to(tmp_path / "precious")
    os.link(tmp_path / "precious" / "file", place / "a" / "same")
    (tmp_path / "precious" / "file").chmod(0o400)
    assert remove(place)
    assert (tmp_path / "precious").stat().st_mode & 0o777 == 0o500
    assert (tmp_path / "precious" / "file").stat().st_mode & 0o777 == 0o400


def test_no_depth_is_too_deep(tmp_path):
    here = bury(tmp_path / "deep", name="x" * 250)
    os.close(os.open("file", os.O_CREAT, dir_fd=here))
    os.close(here)
    assert remove(tmp_path / "deep")
    assert opened_below(tmp_path) == []


def test_a_folder_that_is_swapped_for_a_link_is_not_followed(place, tmp_path, monkeypatch):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    opened = folders.enter

    def swap(name, above, rights):
        if name == "a" and not (place / "a").is_symlink():
            (place / "a").rename(tmp_path / "away")
            (place / "a").symlink_to(precious)
        return opened(name, above, rights)

    monkeypatch.setattr(folders, "enter", swap)
    assert not remove(place)
    assert (precious / "file").exists()
    assert remove(place)
    assert (precious / "file").exists()


def test_a_folder_that_is_moved_away_meanwhile_leads_nowhere_else(place, tmp_path, monkeypatch):
    (tmp_path / "other" / "b").mkdir(parents=True)
    opened = folders.enter

    def move(name, above, rights):
        answer = opened(name, above, rights)
        if name == "b" and (place / "a").exists():
            (place / "a" / "b").rename(tmp_path / "other" / "moved")
        return answer

    monkeypatch.setattr(folders, "enter", move)
    assert remove(place)
    assert sorted(os.listdir(tmp_path / "other")) == ["b", "moved"]
    assert opened_below(tmp_path) == []


def test_what_cannot_be_removed_is_told_and_keeps_nothing_else(place, monkeypatch):
    unlink = os.unlink

    def refuse(name, **options):
        if name == "file":
            raise PermissionError
        unlink(name, **options)

    monkeypatch.setattr(os, "unlink", refuse)
    assert not remove(place)
    assert [path.name for path in place.rglob("*")] == ["a", "b", "file"]


def test_time_is_bounded(place):
    assert not remove(place, seconds=-1)
    assert (place / "a" / "b" / "file").exists()
    assert opened_below(place.parent) == []


def test_closed_folders_are_opened_by_an_owner_who_is_no_superuser(place):
    """Root needs no rights; without its capabilities it is an account like any other."""
    for folder in (place / "a" / "b", place / "a", place):
        folder.chmod(0)
    order = "import sys, pathlib; from tenants.hosting.local.folders import remove; "
    order += "closed = pathlib.Path(sys.argv[1]); assert not os.access(closed / 'a', os.F_OK); "
    order += "assert remove(closed)"
    plain = [] if os.geteuid() else ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"]
    command = [*plain, sys.executable, "-c", f"import os; {order}", str(place)]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not place.exists()
