"""Logs that lie on this machine: only the tenant's own, only files, and whatever they say is a log."""

import json
import os

import pytest
from django.urls import reverse
from factories import make_grant, make_member

from tenants.hosting.local.locations import local_stores_of
from tenants.runs import log_files
from tenants.runs.client import step_of
from tenants.runs.log_files import LogFile, read_file, stores_here
from tenants.runs.step_logs import LogChoice, window
from tests.tenants.runs.fakes import RUN_ID, churn

RAW = churn("steps")["items"][0]
STORE, LOG = next(
    (one["body"]["artifact_store_id"], one["id"])
    for one in RAW["resources"]["log_collection"]
    if one["body"]["source"] == "step"
)


@pytest.fixture
def place(tmp_path):
    """Where the log of the recorded step lies."""
    folder = tmp_path / "stores" / STORE / "logs"
    folder.mkdir(parents=True)
    return folder / f"{LOG}.log"


def read(place, raw=RAW):
    return read_file(place.parents[2], step_of(raw))


def entry(message, level=20):
    return json.dumps({"message": message, "level": level, "timestamp": "2026-11-26T13:48:11Z"}) + "\n"


def test_no_link_is_followed(place, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("key")
    place.symlink_to(secret)
    assert read(place) is None
    place.unlink()
    os.link(secret, place)
    assert read(place) is None
    place.unlink()
    place.parent.rmdir()
    (tmp_path / f"{LOG}.log").write_text("key")
    place.parent.symlink_to(tmp_path)
    assert read(place) is None


def test_a_pipe_and_a_folder_are_no_log(place):
    os.mkfifo(place)
    assert read(place) is None
    place.unlink()
    place.mkdir()
    assert read(place) is None


@pytest.mark.parametrize(
    "change", [{"artifact_store_id": "../.."}, {"artifact_store_id": 7}, {"source": "x"}]
)
def test_what_the_server_says_leads_nowhere_else(place, change):
    place.write_text(entry("there"))
    one = {"id": LOG, "body": {"source": "step", "artifact_store_id": STORE, **change}}
    assert read(place, RAW | {"resources": {"log_collection": [one, 7, None]}}) is None
    assert read(place, RAW | {"resources": {"log_collection": "x"}}) is None


def test_lines_are_those_of_the_server(place):
    place.write_text(
        entry("plain") + "\n" + entry("bad", 40) + "[2026-11-26 13:48:11 UTC] old\nno JSON {\n{}\n{broken}\n"
    )
    lines = read(place)
    assert [(line.message, line.level) for line in lines] == [
        ("plain", 20), ("bad", 40), ("old", 20), ("no JSON {", 20), ("{}", 20), ("{broken}", 20),
    ]  # fmt: skip
    assert lines[0].time.year == 2026


@pytest.mark.parametrize(
    "said",
    [
        b"\xff\xfe",
        b'{"a":' * 100_000 + b"}",
        b'{"message": 7}',
        b'{"message": "x", "level": ' + b"9" * 9999 + b"}",
    ],
)
def test_whatever_a_line_is_it_is_one(said):
    (line,) = LogFile(said)
    assert isinstance(line.message, str) and line.level == 20


def test_of_a_large_log_the_end_is_read(place, monkeypatch):
    monkeypatch.setattr(log_files, "READ", 1000)
    place.write_text("".join(entry(f"row {n}") for n in range(100)))
    lines = read(place)
    assert lines[-1].message == "row 99" and 5 < len(lines) < 20
    assert lines.note == log_files.CUT


def test_stores_of_all_tenants_are_nobodys(tenant, settings, tmp_path):
    settings.ZENPRO_DATA = tmp_path
    assert stores_here(tenant) is None
    local_stores_of(tenant).mkdir(parents=True)
    assert stores_here(tenant) == local_stores_of(tenant)
    settings.ZENPRO_LOCAL_STORES = str(tmp_path)
    assert stores_here(tenant) is None


def test_the_page_and_the_download_read_the_file(tenant, org, server, as_user, settings, tmp_path):
    settings.ZENPRO_DATA = tmp_path
    place = local_stores_of(tenant) / STORE / "logs" / f"{LOG}.log"
    place.parent.mkdir(parents=True)
    place.write_text("".join(entry(f"<b>row {n}") for n in range(1, 60_001)))
    person = make_member(org)
    make_grant(tenant, person, "viewer")
    args = [org.slug, tenant.slug, RUN_ID]
    page = as_user(person).get(reverse("tenants:run_detail", args=args), {"step": RAW["name"]})
    assert "&lt;b&gt;row 60000" in page.content.decode() and 'id="L59501"' in page.content.decode()
    assert server.calls == ["run", "run_dag", "steps", "step"]
    server.calls.clear()
    file = as_user(person).get(reverse("tenants:step_log", args=[*args, RAW["id"]]))
    assert file.content.count(b"\n") == 60_000
    assert server.calls == ["run", "step"]


def test_millions_of_short_lines_are_their_last_ones(monkeypatch):
    monkeypatch.setattr(log_files, "LINES", 3)
    made = LogFile(b"a\nb\n\nc\nd\n")
    assert ([line.message for line in made], made.note) == (["c", "d"], log_files.CUT)
    whole = LogFile(b"a\nb\nc\n")
    assert ([line.message for line in whole], whole.note) == (["a", "b", "c"], "")
    assert len(LogFile(b"\n" * 1000)) == 0


def test_a_search_keeps_no_line_and_reads_each_once():
    class Counted(LogFile):
        read = 0

        def __getitem__(self, place):
            Counted.read += 1
            return super().__getitem__(place)

    lines = Counted(b"".join(b"line %d\n" % number for number in range(5000)))
    pane = window(lines, LogChoice(q="line 4"))
    assert pane.hits == 1 + 10 + 100 + 1000
    assert len(lines) <= Counted.read < len(lines) + 1000, "and those of the page once more"
