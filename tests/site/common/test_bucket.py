"""Files in a bucket: of an S3 that works, and of ones that refuse, hang, break off and send too much."""

import inspect
import io
import itertools
import subprocess
import sys
import threading
import time

import pytest
from django.core.files.storage import storages

from tests.s3 import BUCKET, KEYS, odd_server, running_s3
from tests.shared_folder import SharedFolder
from zenpro_site.common import bucket, shared_files
from zenpro_site.common.bucket import Bucket
from zenpro_site.common.shared_files import ALIAS, SharedFiles, StorageFailed

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: binary/octet-stream\r\n"


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    with running_s3(tmp_path_factory.mktemp("s3")) as url:
        yield url


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    shared_files.forget_silence()


@pytest.fixture
def open_bucket(settings):
    def opened(url, name=BUCKET, **options):
        options = {"bucket_name": name, "location": "one/zenpro", "region_name": "us-east-1"} | options
        place = {"BACKEND": "zenpro_site.common.bucket.Bucket", "OPTIONS": options | {"endpoint_url": url}}
        settings.STORAGES = {**settings.STORAGES, ALIAS: place}
        return storages[ALIAS]

    return opened


def failure_of(call, *arguments) -> StorageFailed:
    with pytest.raises(StorageFailed) as failed:
        call(*arguments)
    return failed.value


def signatures(cls):
    return {name: inspect.signature(getattr(cls, name)) for name in vars(SharedFiles) if name[0] != "_"}


@pytest.mark.parametrize("cls", [Bucket, SharedFolder])
def test_both_kinds_keep_to_the_protocol(cls):
    assert len(signatures(SharedFiles)) == 5
    assert signatures(cls) == signatures(SharedFiles)


def test_files_are_stored_read_listed_and_removed(s3, open_bucket):
    found = open_bucket(s3)
    large = bytes(range(256)) * 40_000  # more than one part of an upload
    for name, content in {"code/a": large, "code/b/c": b"0123456789", "runs/empty": b""}.items():
        shared_files.put(name, io.BytesIO(content))
    target = io.BytesIO()
    shared_files.fetch("code/a", target, len(large), 20)
    assert target.getvalue() == large
    assert shared_files.end_of("code/b/c", 4, 5) == b"6789"
    assert shared_files.end_of("code/b/c", 400, 5) == b"0123456789"
    assert shared_files.end_of("runs/empty", 4, 5) == b""
    stored = shared_files.listed("code")
    assert stored.keys() == {"a", "b/c"}
    assert all(abs(time.time() - moment.timestamp()) < 300 for moment in stored.values())
    shared_files.put("code/b/c", io.BytesIO(b"new"))
    assert shared_files.end_of("code/b/c", 9, 5) == b"new"
    shared_files.remove("code/b/c")
    shared_files.remove("code/b/c")
    assert shared_files.listed("code").keys() == {"a"}
    keys = [entry["Key"] for entry in found.asking.list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert keys == ["one/zenpro/code/a", "one/zenpro/runs/empty"]


def test_what_is_missing_is_no_failure(s3, open_bucket):
    open_bucket(s3)
    for call in (shared_files.end_of, lambda *words: shared_files.fetch(words[0], io.BytesIO(), *words[1:])):
        with pytest.raises(FileNotFoundError):
            call("code/none", 10, 5)


def test_what_is_larger_than_expected_is_not_read(s3, open_bucket):
    open_bucket(s3)
    shared_files.put("code/large", io.BytesIO(bytes(1001)))
    target = io.BytesIO()
    assert "larger" in failure_of(shared_files.fetch, "code/large", target, 1000, 5).reason
    assert target.getvalue() == b""


def test_encryption_is_asked_for_and_no_access_list_is_sent(s3, open_bucket):
    """Buckets with access lists turned off, as new ones have them, refuse every object that brings one."""
    found = open_bucket(s3, object_parameters={"ServerSideEncryption": "AES256"})
    sent = []
    found.moving.meta.events.register("before-sign.s3", lambda request, **_: sent.append(request.headers))
    shared_files.put("code/x", io.BytesIO(b"x"))
    head = found.asking.head_object(Bucket=BUCKET, Key="one/zenpro/code/x")
    assert head["ServerSideEncryption"] == "AES256"
    assert not any("x-amz-acl" in headers for headers in sent) and sent


def test_a_bucket_that_is_not_there(s3, open_bucket):
    open_bucket(s3, "no-such-bucket")
    for call in (shared_files.end_of, shared_files.put):
        arguments = ("x", 10, 5) if call is shared_files.end_of else ("x", io.BytesIO(b"x"))
        assert failure_of(call, *arguments).reason == "there is no such bucket."


def test_no_credentials(s3, open_bucket, monkeypatch, tmp_path):
    for name in KEYS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    open_bucket(s3)
    reason = failure_of(shared_files.end_of, "x", 10, 5).reason
    assert reason == "there are no credentials for the object storage."


# -- what no S3 should do


def refusal(code: str, status: str = "403 Forbidden") -> bytes:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>AKIA/secret</Message></Error>".encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refusal("AccessDenied"), "does not allow it."),
        (refusal("SignatureDoesNotMatch"), "does not accept the secret key."),
        (refusal("Odd&lt;b&gt;"), "answered Oddb."),
        (refusal("SlowDown", "503 Slow Down"), "is busy."),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "does not answer."),
        (b"", "does not answer."),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nGone", "answered 404."),
        (PLAIN + b"Content-Length: 10\r\n\r\n1234", "broke off."),
        (PLAIN + b"Content-Length: 10000000\r\n\r\n1234", "larger than anything stored there."),
        (b"HTTP/1.1 200 OK\r\n\r\n1234", "says nothing of its length."),
        (PLAIN + b"Content-Length: ten\r\n\r\n1234", "answers with nonsense."),
        (PLAIN + b"Content-Length: -5\r\n\r\n1234", "answers with nonsense."),
        (PLAIN + b"Content-Length: 4\r\nLast-Modified: never\r\n\r\n1234", "answers with nonsense."),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n" + bytes(9 * 1024**2), "is too large."),
    ],
)
def test_refusals_and_nonsense(open_bucket, answer, words):
    """None of its own sentences is repeated: they can hold keys and addresses."""
    with odd_server(answer) as url:
        open_bucket(url)
        reason = failure_of(shared_files.end_of, "x", 10, 5).reason
    assert reason.endswith(words) and "AKIA" not in reason


def listing(entries: str, more: str = "") -> bytes:
    body = f"<ListBucketResult>{entries}{more}</ListBucketResult>".encode()
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


def entry(key: str = "one/zenpro/runs/a", stored: str = "2026-01-01T00:00:00Z") -> str:
    return f"<Contents><Key>{key}</Key><LastModified>{stored}</LastModified></Contents>"


@pytest.mark.parametrize(
    "entries",
    [
        entry(stored="yesterday"),
        entry(stored="2026-01-01T00:00:00"),
        entry("other/a"),
        "<Contents><Key>one/zenpro/runs/a</Key></Contents>",
        "<Contents><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>",
        "<MaxKeys>many</MaxKeys>",
    ],
)
def test_lists_of_nonsense(open_bucket, entries):
    with odd_server(listing(entries)) as url:
        open_bucket(url)
        assert failure_of(shared_files.listed, "runs").reason == bucket.NONSENSE


def test_a_list_without_an_end_is_given_up(open_bucket, monkeypatch):
    monkeypatch.setattr(bucket, "MOST_LISTED", 20)
    numbers = itertools.count()

    def page(caller):
        further = (
            f"<IsTruncated>true</IsTruncated><NextContinuationToken>{next(numbers)}</NextContinuationToken>"
        )
        caller.sendall(listing(entry(f"one/zenpro/runs/{next(numbers)}"), further))

    with odd_server(b"", page) as url:
        open_bucket(url)
        assert failure_of(shared_files.listed, "runs").reason == bucket.TOO_MANY
        monkeypatch.setattr(bucket, "LISTED_WITHIN", 0)
        assert failure_of(shared_files.listed, "runs").reason == bucket.TOO_LATE


def test_an_address_with_tls_that_has_none(open_bucket):
    with odd_server(PLAIN) as url:
        open_bucket(url.replace("http://", "https://"))
        reason = failure_of(shared_files.end_of, "x", 10, 5).reason
    assert reason.startswith("no secure connection to the object storage")


def test_a_redirect_leads_nowhere(open_bucket):
    asked = threading.Event()
    with odd_server(b"", lambda caller: asked.set()) as other:
        moved = f"HTTP/1.1 302 Found\r\nLocation: {other}/x\r\nContent-Length: 0\r\n\r\n".encode()
        with odd_server(moved) as url:
            open_bucket(url)
            failure_of(shared_files.end_of, "x", 10, 5)
    assert not asked.is_set()


def test_one_that_hangs_is_given_up_and_left_alone_for_a_moment(open_bucket, monkeypatch):
    monkeypatch.setattr(bucket, "ASKING", 0.3)
    never = threading.Event()
    with odd_server(b"", lambda caller: never.wait(60)) as url:
        open_bucket(url)
        began = time.monotonic()
        assert failure_of(shared_files.end_of, "x", 10, 5).reason == shared_files.SILENT
        first, began = time.monotonic() - began, time.monotonic()
        shared_files.forget_silence()
        assert failure_of(shared_files.fetch, "x", io.BytesIO(), 10, 20).is_silent
        fetched, began = time.monotonic() - began, time.monotonic()
        assert failure_of(shared_files.end_of, "x", 10, 5).is_silent
        assert time.monotonic() - began < 0.2 <= min(first, fetched) <= max(first, fetched) < 5
        never.set()


def test_one_that_drips_is_given_up(open_bucket):
    """A byte now and then keeps to every timeout from byte to byte."""
    never = threading.Event()

    def drip(caller):
        while not never.wait(0.05):
            caller.sendall(b"x")

    with odd_server(PLAIN + b"Content-Length: 1000\r\n\r\n", drip) as url:
        open_bucket(url)
        assert failure_of(shared_files.end_of, "x", 1000, 0.4).reason == bucket.TOO_LATE
        never.set()


@pytest.mark.parametrize(
    "beginning",
    [
        b"HTTP/1.1 200 OK\r\nServer: ",
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100000\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\n\r\n",
    ],
    ids=["head", "error", "error without a length"],
)
@pytest.mark.parametrize("call", ["end_of", "remove", "listed", "put"])
def test_one_that_drips_what_is_no_file_is_given_up(call, beginning, open_bucket, monkeypatch):
    monkeypatch.setattr(bucket, "ASKED_WITHIN", 0.3)
    monkeypatch.setattr(bucket, "MOVED_WITHIN", 0.3)
    words = {"end_of": ("x", 10, 0.3), "remove": ("x",), "listed": ("x",), "put": ("x", io.BytesIO(b"x"))}
    never = threading.Event()

    def drip(caller):
        for _ in range(400):
            if never.wait(0.05):
                return
            caller.sendall(b"x")

    with odd_server(beginning, drip) as url:
        open_bucket(url)
        began = time.monotonic()
        assert failure_of(getattr(shared_files, call), *words[call]).is_silent
        assert time.monotonic() - began < 10
        never.set()


def test_its_client_is_loaded_where_it_is_needed_and_nowhere_else():
    """It takes as long to load as much of ZenPro."""
    words = "import os, sys; import tests.settings, django; django.setup(); import zenpro_site.wsgi, zenpro_site.urls;"
    words += (
        "print([name for name in sys.modules if name.split('.')[0] in ('boto3', 'botocore', 'storages')])"
    )
    env = {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "PYTHONPATH": ":".join(sys.path),
        "PYTHONWARNINGS": "ignore",
    }
    done = subprocess.run([sys.executable, "-c", words], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
