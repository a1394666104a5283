"""One virtual environment per ZenML version, made by uv and shared by all tenants of that version."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import uv

from tenants.servers.base import EnvironmentFailed, NoSpace
from tenants.servers.space import shortage

VERSION = re.compile(r"\d+\.\d+(\.\d+)?((a|b|rc|\.post|\.dev)\d+)?")
INSTALL_TIMEOUT = 900  # seconds for one call of uv
REASON_LENGTH = 600
NEEDS_OLD_SETUPTOOLS = (0, 84)  # earlier versions import pkg_resources


def version_key(version: str) -> tuple[int, ...]:
    """Sort key: (0, 98, 0) of "0.98.0"."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


class Environments:
    """Environments under `data/envs/server-<version>`. An existing folder is a complete environment."""

    def __init__(self, data: Path, python: str = sys.executable, index_env: Mapping[str, str] | None = None):
        """`python`: interpreter the environments are made from; `index_env`: uv's variables for mirrors."""
        self.folder = Path(data).resolve() / "envs"
        self.interpreter = python
        self.index_env = dict(index_env or {})

    def python(self, version: str) -> Path:
        return self.path(version) / "bin" / "python"

    def path(self, version: str) -> Path:
        check_version(version)
        return self.folder / f"server-{version}"

    def installed(self, version: str) -> bool:
        return self.python(version).exists()

    def packages(self, version: str) -> list[str]:
        """What goes into the environment; runs of templates want something else than servers."""
        return requirements(version)

    def versions(self) -> list[str]:
        """Installed versions, newest first."""
        found = [path.name.removeprefix("server-") for path in self.folder.glob("server-*")]
        return sorted(filter(self.installed, filter(VERSION.fullmatch, found)), key=version_key, reverse=True)

    def install(self, version: str) -> None:
        """Make the environment: build beside, then rename. Raises EnvironmentFailed, NoSpace."""
        if self.installed(version):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._exclusive(version) as lock:
            self._remove_remains(version)
            if not self.installed(version):
                self._build(version, lock)

    def _build(self, version: str, lock: int) -> None:
        check_space(self.folder)
        build = Path(tempfile.mkdtemp(prefix=f".build-{version}-", dir=self.folder))
        try:
            self._uv(lock, "venv", "--relocatable", "--allow-existing", "--python", self.interpreter, build)
            python = build / "bin" / "python"
            # Compiling costs 3 s here, once, and saves 7 s of each first start.
            self._uv(
                lock, "pip", "install", "--compile-bytecode", "--python", python, *self.packages(version)
            )
            build.chmod(0o755)
            build.rename(self.path(version))
        except BaseException:
            shutil.rmtree(build, ignore_errors=True)
            raise

    def _uv(self, lock: int, *args: object) -> None:
        """Run uv. It inherits the lock, so that a uv that outlives us still keeps others out."""
        command = [uv.find_uv_bin(), *map(str, args)]
        try:
            done = subprocess.run(
                command,
                check=False,
                env=self._env(),
                cwd=self.folder,
                pass_fds=[lock],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=INSTALL_TIMEOUT,
            )
        except subprocess.TimeoutExpired as error:
            raise EnvironmentFailed(
                f"Installing did not finish within {INSTALL_TIMEOUT // 60} minutes."
            ) from error
        if done.returncode:
            raise failure(done.stderr)

    def _env(self) -> dict[str, str]:
        ours = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH")}
        fixed = {"UV_NO_PROGRESS": "1", "NO_COLOR": "1", "UV_PYTHON_DOWNLOADS": "never"}
        return ours | fixed | self.index_env

    def _remove_remains(self, version: str) -> None:
        """What a killed build left; we hold the lock, so nobody works in it."""
        for path in self.folder.glob(f".build-{version}-*"):
            shutil.rmtree(path, ignore_errors=True)

    @contextlib.contextmanager
    def _exclusive(self, version: str) -> Iterator[int]:
        with open(self.folder / f".lock-{version}", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock.fileno()


def check_version(version: str) -> None:
    """Version strings become paths and arguments: take nothing else."""
    if not VERSION.fullmatch(version):
        raise EnvironmentFailed(f"{version!r} is not a ZenML version.")


def requirements(version: str) -> list[str]:
    wanted = [f"zenml[server]=={version}"]
    return wanted + ["setuptools<81"] if version_key(version) < NEEDS_OLD_SETUPTOOLS else wanted


def check_space(folder: Path) -> None:
    if short := shortage(folder):
        raise NoSpace(short)


def failure(stderr: str) -> EnvironmentFailed | NoSpace:
    """uv's own message without its drawing, shortened."""
    if "No space left on device" in stderr:
        return NoSpace("The disk filled up while ZenML was being installed.")
    text = " ".join(re.sub(r"[×╰─▶│├╭]|\s+", " ", stderr).split())
    text = text.removeprefix("error: ") or "uv gave no message"
    return EnvironmentFailed(f"ZenML could not be installed: {text[:REASON_LENGTH]}")
