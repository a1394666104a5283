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

from tenants.servers import box
from tenants.servers.base import EnvironmentFailed, NoSpace
from tenants.servers.variables import PASSED_ON, PROXIES

VERSION = re.compile(r"\d+\.\d+(\.\d+)?((a|b|rc|\.post|\.dev)\d+)?")
INSTALL_TIMEOUT = 900  # seconds for one call of uv
MIN_FREE = 512 * 1024**2  # bytes; an environment is about 200 MB
REASON_LENGTH = 600
NEEDS_OLD_SETUPTOOLS = (0, 84)  # earlier versions import pkg_resources


def version_key(version: str) -> tuple[int, ...]:
    """Sort key: (0, 98, 0) of "0.98.0"."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


class Environments:
    """Environments under `data/envs/server-<version>`. An existing folder is a complete environment."""

    def __init__(
        self,
        data: Path,
        python: str = sys.executable,
        index_env: Mapping[str, str] | None = None,
        isolation: str = "",
    ):
        """`python`: interpreter the environments are made from; `index_env`: uv's variables for mirrors;
        `isolation`: the setting ZENPRO_ISOLATION, see box.chosen()."""
        self.folder = Path(data).resolve() / "envs"
        self.yard = self.folder / ".uv"
        self.interpreter = python
        self.base = os.path.realpath(
            python
        )  # not the one of our own environment, which no build needs to see
        self.isolation = isolation
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
        for folder in (self.folder, self.yard, self.yard / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        with self._exclusive(version) as lock:
            self._remove_remains(version)
            if not self.installed(version):
                self._build(version, lock)

    def _build(self, version: str, lock: int) -> None:
        check_space(self.folder)
        build = Path(tempfile.mkdtemp(prefix=f"build-{version}-", dir=self.yard))
        try:
            self._uv(lock, "venv", "--relocatable", "--allow-existing", "--python", self.base, build)
            python = build / "bin" / "python"
            self._uv(lock, "pip", "install", "--python", python, *self.packages(version))
            self._compile(lock, build, python)
            build.chmod(0o755)
            build.rename(self.path(version))
        except BaseException:
            shutil.rmtree(build, ignore_errors=True)
            raise

    def _uv(self, lock: int, *args: object) -> None:
        """Run uv in a box: it reads what strangers packed. Raises EnvironmentFailed, NoSpace."""
        binary = Path(uv.find_uv_bin())
        walls = box.Walls(read=[binary, *self._bases()], write=self._places())
        done = self._boxed(lock, [str(binary), *map(str, args)], walls)
        if done.returncode:
            raise failure(done.stdout)

    def _compile(self, lock: int, build: Path, python: Path) -> None:
        """Costs 3 s here, once, and saves 7 s of each first start. Not by uv, which would start the environment's
        own Python: a package may have put code there that runs at each start. -S leaves that out.

        A file that does not compile is none of a package's that works, so the result is not looked at.
        """
        workers = "0" if self._kind() is box.Kind.BUBBLEWRAP else "1"  # several need shared memory
        command = [str(python), "-I", "-S", "-m", "compileall", "-q", "-j", workers, str(build / "lib")]
        self._boxed(lock, command, box.Walls(read=self._bases(), write=[build]))

    def _boxed(self, lock: int, command: list[str], walls: box.Walls) -> subprocess.CompletedProcess:
        """Its keeper inherits the lock, so that a build that outlives us still keeps others out."""
        order = box.document("", command, self._env(), self.yard, walls, self._kind()) | {"lock_fd": lock}
        try:
            return box.run(order, timeout=INSTALL_TIMEOUT, pass_fds=[lock])
        except subprocess.TimeoutExpired as error:
            minutes = INSTALL_TIMEOUT // 60
            raise EnvironmentFailed(f"Installing did not finish within {minutes} minutes.") from error

    def _kind(self) -> box.Kind:
        return box.chosen(self.isolation).kind

    def _bases(self) -> list[Path]:
        return box.python_folders(Path(self.base))[1:]

    def _places(self) -> list[Path]:
        """What uv may write: one folder with its cache and what is being built, so that files are linked, not copied."""
        return [self.yard, *([Path(given)] if (given := os.environ.get("UV_CACHE_DIR")) else [])]

    def _env(self) -> dict[str, str]:
        """Complete: nothing of the agent's reaches a build."""
        passed = {
            name: os.environ[name] for name in (*PASSED_ON, *PROXIES, "NO_PROXY") if os.environ.get(name)
        }
        fixed = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.yard / "tmp"),
            "TMPDIR": str(self.yard / "tmp"),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "UV_NO_PROGRESS": "1",
            "UV_NO_CONFIG": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR") or str(self.yard / "cache"),
        }
        return passed | fixed | self.index_env

    def _remove_remains(self, version: str) -> None:
        """What a killed build left; we hold the lock, so nobody works in it."""
        for path in self.yard.glob(f"build-{version}-*"):
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
    if shutil.disk_usage(folder).free < MIN_FREE:
        raise NoSpace("Less than 512 MB are free on the disk of the data folder.")


def failure(output: str) -> EnvironmentFailed | NoSpace:
    """uv's own message without its drawing, shortened."""
    if "No space left on device" in output:
        return NoSpace("The disk filled up while ZenML was being installed.")
    text = " ".join(re.sub(r"[×╰─▶│├╭]|\s+", " ", output).split())
    text = text.removeprefix("error: ") or "uv gave no message"
    return EnvironmentFailed(f"ZenML could not be installed: {text[:REASON_LENGTH]}")
