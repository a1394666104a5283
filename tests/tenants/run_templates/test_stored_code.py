"""Code that one machine was given and another one needs: two data folders, and a storage between them."""

import gzip
import io
import os
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import storages

from tenants.hosting.bounded import CallPlaces
from tenants.run_templates.engine import code, stored_code
from tenants.run_templates.engine.code import CodeError, code_folder, freeze
from tenants.run_templates.engine.excerpts import excerpt
from tenants.run_templates.engine.layout import look_at
from tenants.run_templates.engine.stored_code import (
    GONE,
    OTHER,
    CodeOutOfReach,
    name_of,
    present,
    store,
    sweep,
)
from tenants.runs.step_failures import CodeLine
from tests.tenants.runs.fakes import churn
from zenpro_site.common import shared_files
from zenpro_site.common.shared_files import ALIAS, OWNER

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def shared(settings, tmp_path):
    shared_files.forget_silence()
    place = {"BACKEND": "tests.shared_folder.SharedFolder", "OPTIONS": {"location": str(tmp_path / "shared")}}
    settings.STORAGES = {**settings.STORAGES, ALIAS: place}
    return storages[ALIAS]


@pytest.fixture
def on(settings, tmp_path):
    """on("web"): from now on this is that machine."""

    def on(name):
        settings.ZENPRO_DATA = tmp_path / name

    settings.ZENPRO_CODE_ROOTS = [tmp_path]
    on("web")
    return on


@pytest.fixture
def project(on, tmp_path):
    folder = tmp_path / "project"
    (folder / "churn").mkdir(parents=True)
    (folder / "churn/steps.py").write_text("first = 1\nstep = 2\n")
    (folder / "churn/start.sh").write_text("exit 0\n")
    (folder / "churn/start.sh").chmod(0o755)
    (folder / "link.py").symlink_to("churn/steps.py")
    (folder / "x" / ("long" * 40)).mkdir(parents=True)
    (folder / "x" / ("long" * 40) / ("name" * 40)).write_text("long")
    (folder / os.fsdecode(b"latin-\xe9.txt")).write_text("odd")
    return folder


@pytest.fixture
def stored(project):
    """Hash of code that another machine has stored."""
    code_hash = freeze(str(project))
    store(code_hash)
    return code_hash


def kept_in(shared, name):
    return Path(shared.path(name))


def content(folder):
    def one(path):
        if path.is_symlink():
            return os.readlink(path)
        return path.is_dir() or (path.read_bytes(), path.stat().st_mode & 0o777)

    return {str(path.relative_to(folder)): one(path) for path in folder.rglob("*")}


def left_over():
    return sorted(path.name for path in code_folder("x").parent.iterdir() if "fetching" not in path.name)


def test_another_machine_has_the_same_code(stored, on, shared):
    here = content(code_folder(stored))
    on("agent")
    assert not code_folder(stored).exists()
    there = present(stored)
    assert (there, content(there)) == (code_folder(stored), here)
    assert left_over() == [stored]
    present(stored)
    assert [one for one in shared.log if one[1] != OWNER] == [
        ("put", name_of(stored)),
        ("fetch", name_of(stored)),
    ]


def test_the_same_code_is_the_same_archive(stored, project, shared):
    first = kept_in(shared, name_of(stored)).read_bytes()
    os.utime(project / "link.py", (1, 1))
    store(freeze(str(project)))
    assert kept_in(shared, name_of(stored)).read_bytes() == first
    with tarfile.open(fileobj=io.BytesIO(first)) as archive:
        assert {(one.uid, one.uname, one.mtime) for one in archive} == {(0, "", 0)}


def test_without_a_storage_nothing_is_sent_or_asked(project, on, settings, shared):
    settings.STORAGES = {name: place for name, place in settings.STORAGES.items() if name != ALIAS}
    code_hash = freeze(str(project))
    store(code_hash)
    assert present(code_hash) == code_folder(code_hash)
    on("agent")
    assert not present(code_hash).exists()
    assert shared.log == []


def test_pages_read_code_that_is_not_here(project, stored, on):
    on("other")
    lines = excerpt(stored, CodeLine("churn/steps.py", 2, "step = 2"))
    assert [(line.number, line.text, line.is_it) for line in lines] == [
        (1, "first = 1", False),
        (2, "step = 2", True),
    ]
    on("third")
    assert look_at(stored, churn("snapshot")).files == 5


def test_many_at_once_fetch_it_once(stored, on, shared, monkeypatch):
    on("agent")
    begun, go_on, real = threading.Event(), threading.Event(), shared.fetch

    def fetch(*words):
        begun.set()
        assert go_on.wait(30)
        real(*words)

    monkeypatch.setattr(shared, "fetch", fetch)
    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(present, stored) for _ in range(4)]
        assert begun.wait(30)
        go_on.set()
        assert {one.result(timeout=30) for one in found} == {code_folder(stored)}
    assert [call for call, _ in shared.log].count("fetch") == 1


def test_one_storage_holds_few_threads(stored, on, shared, monkeypatch):
    monkeypatch.setattr(stored_code, "PLACES", CallPlaces(together=0, patience=0))
    with pytest.raises(CodeError, match="Try again in a moment"):
        store(stored)
    on("agent")
    with pytest.raises(CodeOutOfReach, match="Try again in a moment"):
        present(stored)


def test_nobody_waits_for_ever_for_another(stored, on, shared, monkeypatch):
    on("agent")
    monkeypatch.setattr(stored_code, "WAITING", 0.1)
    code_folder("x").parent.mkdir(parents=True)
    with stored_code._alone(stored), pytest.raises(CodeOutOfReach, match="by someone else"):
        present(stored)


# -- what can't be trusted


def packed(names) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in names.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "archive",
    [
        b"",
        b"no archive",
        packed({"churn/steps.py": b"step = 'evil'\n"}),
        packed({"../../keys.json": b"{}"}),
        packed({"/etc/evil": b"{}"}),
        gzip.compress(bytes(code.MAX_BYTES + 30 * 1024**2)),
        packed({"large": bytes(code.MAX_BYTES + 1)}),
    ],
    ids=["empty", "text", "other code", "path", "absolute", "bomb", "large"],
)
def test_what_is_not_the_code_of_that_name_is_not_used(stored, on, shared, archive):
    kept_in(shared, name_of(stored)).write_bytes(archive)
    on("agent")
    with pytest.raises(CodeError) as refused:
        present(stored)
    assert refused.value.reason.startswith(OTHER) and not isinstance(refused.value, CodeOutOfReach)
    assert left_over() == []


def test_half_an_archive_is_not_used(stored, on, shared):
    place = kept_in(shared, name_of(stored))
    place.write_bytes(place.read_bytes()[:-40])
    on("agent")
    with pytest.raises(CodeError, match="not what it was"):
        present(stored)
    assert left_over() == []


def test_what_is_gone_or_out_of_reach_is_told_apart(stored, on, shared):
    on("agent")
    with pytest.raises(CodeError) as gone:
        present("0" * 64)
    assert (gone.value.reason, type(gone.value)) == (GONE, CodeError)
    shared.fall_silent()
    with pytest.raises(CodeOutOfReach, match="can't be fetched now: the object storage does not answer."):
        present(stored)
    assert left_over() == []


def test_a_machine_that_is_busy_or_full_says_nothing_against_the_code(stored, on, monkeypatch):
    on("agent")
    monkeypatch.setattr(stored_code, "READERS", CallPlaces(together=0, patience=0))
    with pytest.raises(CodeOutOfReach, match="can't be fetched now. Other code is being read"):
        present(stored)

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.undo()
    monkeypatch.setattr(code, "_publish", full)
    with pytest.raises(CodeOutOfReach, match="No space left"):
        present(stored)
    monkeypatch.undo()
    assert left_over() == []


def test_what_cannot_be_stored_is_refused(project, shared):
    shared.fall_silent()
    with pytest.raises(CodeError, match="The code can't be stored now: the object storage does not answer."):
        store(freeze(str(project)))


@pytest.mark.parametrize("name", ["back\\slash", "new\nline"])
def test_names_that_could_not_be_unpacked_again_are_refused(project, shared, name):
    (project / name).write_text("x")
    with pytest.raises(CodeError, match="not portable"):
        store(freeze(str(project)))
    assert shared.listed("code") == {}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a:/x.py", "not portable"),
        ("/".join(["d" * 200] * 6), "too long"),
        ("/".join(["d"] * 101), "too long"),
    ],
    ids=["drive", "long", "deep"],
)
def test_so_are_paths_that_could_not(project, shared, name, words):
    (project / name).parent.mkdir(parents=True)
    (project / name).write_text("x")
    with pytest.raises(CodeError, match=words):
        store(freeze(str(project)))
    assert shared.listed("code") == {}


@pytest.mark.parametrize(
    "name", ["/".join(["d"] * 100), "/".join(["d" * 127] * 8), "a:b/c", ":/x", "ü/\u202e"]
)
def test_odd_paths_that_are_stored_come_back(project, on, name):
    (project / name).parent.mkdir(parents=True)
    (project / name).write_text("x")
    code_hash = freeze(str(project))
    store(code_hash)
    on("agent")
    assert (present(code_hash) / name).read_text() == "x"


def test_another_installation_with_the_same_place_stores_nothing(stored, project, shared, settings):
    """The first one would remove it: it does not know it."""
    (project / "more.py").write_text("")
    settings.SECRET_KEY = "another" * 10
    with pytest.raises(CodeError, match="another installation stores its files there"):
        store(freeze(str(project)))
    assert [*shared.listed("code")] == [f"{stored}.tar.gz"]


# -- what no one needs


def test_code_that_nothing_refers_to_is_removed_when_it_is_old(stored, project, shared):
    (project / "more.py").write_text("")
    used = freeze(str(project))
    store(used)
    assert sweep([used], DAY) == 0
    os.utime(kept_in(shared, name_of(stored)), (1, 1))
    os.utime(kept_in(shared, name_of(used)), (1, 1))
    assert sweep([used], DAY) == 1
    assert [*shared.listed("code")] == [f"{used}.tar.gz"]
