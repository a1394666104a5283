"""Nobody else on the machine reads the data folder, also one that was there before."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from zenpro_site.common import modes

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = (
    "logs",
    "run",
    "supervisor/conf.d",
    "tenants/a/config",
    "tenants/a/stores",
    "runs/b",
    "envs",
    "code",
)
FILES = ("keys.json", "zenpro.sqlite3", "zenpro.sqlite3-wal", "logs/web.log", "supervisor/conf.d/web.json")
FILES += ("run/web.lock", "tenants/a/zenml.db", "runs/.note")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def old(tmp_path):
    """A data folder as a version of before left it: 755 and 644."""
    data = tmp_path / "data"
    for name in FOLDERS:
        (data / name).mkdir(parents=True)
    for name in FILES:
        (data / name).write_text("secret")
    for path in [data, *data.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return data


def test_a_folder_of_before_is_closed(old):
    assert modes.open_to_others(old)
    changed = modes.mend(old)
    assert {old, old / "keys.json", old / "supervisor/conf.d/web.json", old / "tenants/a/zenml.db"} <= set(
        changed
    )
    assert {path: oct(mode(path)) for path in [old, *old.rglob("*")] if mode(path) & 0o077} == {}
    assert mode(old) == 0o700
    assert (mode(old / "keys.json"), mode(old / "logs")) == (0o600, 0o700)
    assert modes.open_to_others(old) == modes.mend(old) == []


def test_a_folder_that_is_not_there_is_nothing_to_mend(tmp_path):
    assert modes.mend(tmp_path / "none") == modes.open_to_others(tmp_path / "none") == []


def test_links_are_never_followed(old, tmp_path):
    aim, folder = tmp_path / "other.txt", tmp_path / "other"
    aim.write_text("of somebody")
    folder.mkdir()
    (folder / "zenml.db").write_text("of somebody")
    for path in (aim, folder, folder / "zenml.db"):
        path.chmod(0o755)
    (old / "tenants/a/zenml.db").unlink()
    (old / "tenants/a/zenml.db").symlink_to(aim)
    (old / "tenants/b").symlink_to(folder)
    (old / "runs/c").symlink_to(folder)
    (old / "logs/x.log").symlink_to(aim)
    modes.mend(old)
    assert [mode(path) for path in (aim, folder, folder / "zenml.db")] == [0o755] * 3


def test_a_second_name_of_a_foreign_file_is_left_alone(old, tmp_path):
    """Code of a tenant may give a file of this account a name in its folder."""
    aim = tmp_path / "page.html"
    aim.write_text("for everybody")
    aim.chmod(0o644)
    (old / "tenants/a/zenml.db").unlink()
    os.link(aim, old / "tenants/a/zenml.db")
    modes.mend(old)
    assert mode(aim) == 0o644


def test_pipes_and_missing_rights_stop_nothing(old):
    os.mkfifo(old / "tenants/pipe", 0o666)
    os.mkfifo(old / "logs/pipe", 0o666)
    (old / "logs/closed.log").write_text("")
    (old / "logs/closed.log").chmod(0o000)
    modes.mend(old)
    assert mode(old / "keys.json") == 0o600


def run(*command: str, **env: str) -> str:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ZENPRO", "DJANGO"))}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=kept | env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        umask=0o022,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_commands_and_web_make_files_for_us_alone(tmp_path):
    keys = {
        "ZENPRO_SECRET_KEY": "k" * 60,
        "ZENPRO_SECRET_KEYS": "dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q=",
    }
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    keys["DATABASE_URL"] = f"sqlite:///{data}/zenpro.sqlite3"
    run("-m", "zenpro_site", "migrate", "-v0", "users", ZENPRO_DATA=str(data), **keys)
    assert mode(data / "zenpro.sqlite3") == 0o600
    words = "import os, zenpro_site.wsgi; print(oct(os.umask(0)))"
    assert run("-c", words, ZENPRO_DATA=str(data), **keys).strip() == "0o77"
