"""The program that makes a pod ready, as the pod runs it: a file's text on a command line."""

import io
import subprocess
import sys
import tarfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tenants.run_templates.engine.pod_objects import PROGRAM_FILE

TICKET = "a-ticket"


def archive(name="train.py", **more) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as made:
        member = tarfile.TarInfo(name)
        member.size = 0 if more else 5
        vars_of = {"type": tarfile.REGTYPE, "linkname": ""} | more
        member.type, member.linkname = vars_of["type"], vars_of["linkname"]
        made.addfile(member, None if more else io.BytesIO(b"x = 1"))
    return file.getvalue()


@contextmanager
def zenpro(status=200, body=b"", length=None, **headers):
    """Address of a server that answers so; what it was asked with."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.headers["Authorization"])
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/code", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def prepare(folder, address="", *packages, version="0.98.0", **env):
    command = [sys.executable, "-c", PROGRAM_FILE.read_text(), str(folder), address, "", version, *packages]
    env = {"ZENPRO_TICKET": TICKET, "HTTP_PROXY": "http://127.0.0.1:1"} | env
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)


def last_line(done) -> str:
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stderr.strip().splitlines()[-1]


def test_code_and_an_interpreter_that_sees_the_packages_of_the_image(tmp_path):
    with zenpro(body=archive()) as (address, asked):
        done = prepare(tmp_path, address)
    assert (done.returncode, asked) == (0, [f"Bearer {TICKET}"]), done.stderr
    assert (tmp_path / "code" / "train.py").read_text() == "x = 1"
    python = tmp_path / "environment" / "bin" / "python"
    told = "import sys, lightkube, train; print(sys.prefix, train.x)"
    seen = subprocess.run(
        [python, "-c", told],
        env={"PYTHONPATH": str(tmp_path / "code")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert seen.stdout.split() == [str(tmp_path / "environment"), "1"]


def test_nobody_is_asked_for_code_that_the_run_brings_along(tmp_path):
    assert prepare(tmp_path).returncode == 0
    assert [*(tmp_path / "code").iterdir()] == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"status": 404}, "it answered 404"),
        ({"status": 302, "Location": "http://127.0.0.1:1/"}, "it answered 302"),
        ({"body": archive(), "length": 10**6}, "The code could not be fetched"),
        ({"body": b"no archive"}, "The code could not be unpacked"),
        ({"body": archive("../outside.py")}, "The code could not be unpacked"),
        ({"body": archive("link", type=tarfile.SYMTYPE, linkname="/etc/passwd")}, "could not be unpacked"),
    ],
    ids=["no ticket", "a redirect", "cut off", "no archive", "a way out", "a link out"],
)
def test_what_is_not_the_code_ends_it_with_a_sentence(tmp_path, answer, words):
    with zenpro(**answer) as (address, asked):
        assert words in last_line(prepare(tmp_path / "pod", address))
    assert len(asked) == 1 and not (tmp_path / "outside.py").exists()


def test_packages_that_cannot_be_had_are_named(tmp_path):
    with zenpro(status=404) as (address, _):
        done = prepare(tmp_path, "", "no-such-package", PIP_INDEX_URL=address, NO_PROXY="127.0.0.1")
    words = last_line(done)
    assert words.startswith("The packages could not be installed: "), done.stdout
    assert "zenml" in words or "no-such-package" in words
