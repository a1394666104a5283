"""Nothing of .ci/run goes on for ever: parts, tests and the database of the tests end, and what hung is named."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
POSTGRES = Path("/usr/lib/postgresql/15/bin/initdb")


def test_a_part_that_hangs_is_stopped_and_named():
    done = subprocess.run(
        ["bash", ".ci/part", "0.01", "the slow part", "sleep", "300"],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert done.returncode == 124
    assert 'HUNG: "the slow part"' in done.stderr and "sleep 300" in done.stderr


@pytest.mark.parametrize("code", [0, 3])
def test_a_part_that_ends_is_left_alone(code):
    done = subprocess.run(
        ["bash", ".ci/part", "1", "a part", "bash", "-c", f"exit {code}"],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (code, b"")


def test_every_part_has_a_limit():
    """What tests, installs or asks something runs below .ci/part."""
    lines = (ROOT / ".ci/run").read_text().splitlines()
    tools = ("pytest", "ruff", "manage.py", "pip install", "apt-get")
    inside = [
        line for line in lines if any(tool in line for tool in tools) and not line.startswith(("#", "say"))
    ]
    continued = {lines[number + 1] for number, line in enumerate(lines[:-1]) if line.endswith("\\")}
    wrong = [
        line for line in inside if "part " not in line and line not in continued and "packages+=" not in line
    ]
    assert len(inside) > 8 and not wrong, wrong


def test_a_test_that_hangs_is_stopped_and_named(tmp_path):
    (tmp_path / "test_slow.py").write_text("import time\ndef test_never_ends():\n    time.sleep(300)\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:django", "--timeout", "1", "-q", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert "test_never_ends" in done.stdout and "Timeout" in done.stdout


@pytest.fixture
def temporary():
    """A folder that also the account `postgres` may enter."""
    with tempfile.TemporaryDirectory(prefix="zenpro-test-", dir="/tmp") as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.skipif(not POSTGRES.exists(), reason="PostgreSQL is not installed")
def test_the_database_of_tests_ends_with_an_interrupt(temporary, number):
    # A shell started in the background ignores an interrupt, and so would all it starts.
    heard = ["env", "--default-signal=INT,TERM"]
    process = subprocess.Popen(
        [*heard, "bash", ".ci/postgres", "bash", "-c", 'echo "$ZENPRO_TEST_DATABASE_URL"; exec sleep 300'],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert "postgres://" in process.stdout.readline()
    process.send_signal(number)
    assert process.wait(60) == 128 + number
    assert process.stdout.read() == ""  # ends when nobody is left who could write
    assert list(temporary.iterdir()) == []
