"""`zenpro serve` becomes the web process that `zenpro up` would start."""

import os
import sys

import pytest
from django.core.management import call_command

from zenpro_site import programs, static_files
from zenpro_site.management.commands import serve


@pytest.fixture
def ran(monkeypatch):
    """What was done, in order."""
    done = []
    monkeypatch.setattr(static_files, "collect", lambda: done.append("collected"))
    monkeypatch.setattr(serve.os, "chdir", lambda place: done.append(place))
    monkeypatch.setattr(serve.os, "execv", lambda path, command: done.append((path, command)))
    return done


def test_it_serves_as_the_supervisor_would(ran, settings, tmp_path):
    settings.ZENPRO_DATA = tmp_path / "volume" / "data"
    call_command("serve", port=8123)
    assert settings.ZENPRO_DATA.is_dir()
    path, command = ran.pop()
    assert ran == ["collected", settings.BASE_DIR]
    assert (path, command) == (sys.executable, programs.web("0.0.0.0", 8123, "http://x").command)
    assert command[command.index("--bind") + 1] == "0.0.0.0:8123" and os.path.isabs(path)


def test_static_files_are_made_for_an_image(ran):
    call_command("static_files")
    assert ran == ["collected"]
