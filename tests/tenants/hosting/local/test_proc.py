"""The kernel's account of what a process and its children have done, with real processes."""

import subprocess
import sys
import time

import pytest

from tenants.hosting.local.proc import cpu_seconds

BURN = "import os\nwhile os.times().user < {}: pass"


@pytest.fixture
def wrapper():
    """A process that itself only waits for another one, which works for a second and then waits."""
    work = f"{BURN.format(0.5)}\nprint('worked', flush=True)\ninput()"
    command = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {work!r}])"
    process = subprocess.Popen(
        [sys.executable, "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process
    process.stdin.close()
    process.wait(120)
    process.stdout.close()


def test_work_of_what_a_wrapper_started_counts_as_its_own(wrapper):
    assert wrapper.stdout.readline() == "worked\n"
    assert 0.4 < cpu_seconds(wrapper.pid) < 20
    wrapper.stdin.write("\n")
    wrapper.stdin.flush()
    wrapper.wait(120)
    assert cpu_seconds(wrapper.pid) == 0.0


def test_children_that_ended_count_as_well():
    command = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BURN.format(0.5)!r}]); input()"
    with subprocess.Popen([sys.executable, "-c", command], stdin=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while cpu_seconds(process.pid) < 0.45:
            assert time.monotonic() < deadline
        process.stdin.close()


def test_no_process_has_done_nothing():
    assert (cpu_seconds(None), cpu_seconds(2**22 + 1)) == (0.0, 0.0)
