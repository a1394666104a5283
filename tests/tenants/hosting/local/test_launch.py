"""What a program writes down of itself for those who find its lock held."""

import os

import pytest

from tenants.hosting.local import launch


@pytest.fixture
def lock(tmp_path):
    descriptor = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


def test_a_record_is_read_as_it_was_written(lock):
    launch.write_record(lock, os.getpid(), 8080)
    assert launch.read_record(lock) == (os.getpid(), launch.started_at(os.getpid()))


def test_at_no_moment_is_the_record_not_there(lock, monkeypatch):
    """The next agent may read while the keeper puts itself in the place of its parent: it would miss a living run."""
    seen, made = [], {"ftruncate": os.ftruncate, "pwrite": os.pwrite}

    def watched(name):
        def call(*args):
            seen.append(launch.read_record(lock))
            made[name](*args)
            seen.append(launch.read_record(lock))

        return call

    launch.write_record(lock, os.getppid())
    for name in made:
        monkeypatch.setattr(os, name, watched(name))
    launch.write_record(lock, os.getpid())
    assert None not in seen
    assert [pid for pid, _ in seen] == [os.getppid(), os.getpid()]


def test_a_shorter_record_leaves_nothing_of_the_one_before(lock):
    launch.write_record(lock, os.getpid(), 65535)
    launch.write_record(lock, os.getpid())
    assert launch.read_record(lock) == (os.getpid(), launch.started_at(os.getpid()))


def test_an_empty_lock_has_no_record(lock):
    assert launch.read_record(lock) is None
