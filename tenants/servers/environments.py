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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import uv

from tenants.servers.base import EnvironmentFailed, NoSpace
from tenants.servers.index import PackageIndex, without_credentials

VERSION = re.compile(r"\d+\.\d+(\.\d+)?((a|b|rc|\.post|\.dev)\d+)?")
INSTALL_TIMEOUT = 900  # seconds for one call of uv
MIN_FREE = 512 * 1024**2  # bytes; an environment is about 200 MB
REASON_LENGTH = 600
LOG_TAIL = 64 * 1024  # bytes of a log that are looked at
CACHE = ".cache"  # in an environment in the making, when it may not share uv's own
NOT_BUILT = "and packages are not built from source here."
NO_WHEEL = re.compile(r"[Ww]heels are required for `([\w.-]+)`")
NEEDS_OLD_SETUPTOOLS = (0, 84)  # earlier versions import pkg_resources


def version_key(version: str) -> tuple[int, ...]:
    """Sort key: (0, 98, 0) of "0.98.0"."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


@dataclass(frozen=True)
class Build:
    """An environment in the making: the lock that keeps others out, and where its output goes."""

    lock: int
    log: Path


class Environments:
    """Environments under `data/envs/server-<version>`. An existing folder is a complete environment."""

    def __init__(self, data: Path, python: str = sys.executable, index: PackageIndex | None = None):
        """`python`: interpreter the environments are made from; `index`: where packages come from."""
        self.folder = Path(data).resolve() / "envs"
        self.interpreter = python
        self.index = index or PackageIndex()

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

    def build_arguments(self, version: str, place: Path) -> list[object]:
        """What uv may build from source: nothing, or a package's author would have code run here."""
        return ["--only-binary", ":all:"]

    def log(self, version: str) -> Path:
        """What uv wrote when it last made the environment."""
        return self.folder / f".log-{self.path(version).name}"

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
        build, place = Build(lock, self._new_log(version)), self._new_folder(version)
        try:
            self._uv(
                build,
                "venv",
                "--relocatable",
                "--allow-existing",
                "--no-config",
                "--quiet",
                *self._python(place),
            )
            self._uv(build, "pip", "install", *self._install_arguments(version, place))
            self._compile(build, place)
            shutil.rmtree(place / CACHE, ignore_errors=True)
            place.chmod(0o755)
            place.rename(self.path(version))
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise

    def _python(self, place: Path) -> list[object]:
        return ["--python", self.interpreter, place]

    def _install_arguments(self, version: str, place: Path) -> list[object]:
        options = [*self.index.arguments, *self.build_arguments(version, place)]
        return [*options, "--python", place / "bin" / "python", *self.packages(version)]

    def _new_folder(self, version: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=f".build-{version}-", dir=self.folder))

    def _new_log(self, version: str) -> Path:
        log = self.log(version)
        log.unlink(missing_ok=True)
        log.touch(mode=0o600)
        return log

    def _compile(self, build: Build, place: Path) -> None:
        """Costs 3 s here, once, and saves 7 s of each first start.

        By the interpreter the environment is made from: its own, which uv would take, runs what packages put into
        .pth files. Files that are not Python 3 are left as they are.
        """
        options = ["-I", "-S", "-m", "compileall", "-qq", "-j", "0"]
        self._run(build, [self.interpreter, *options, str(place / "lib")])

    def _uv(self, build: Build, *args: object) -> None:
        """Run uv. Raises EnvironmentFailed with its own words, NoSpace."""
        before = build.log.stat().st_size
        if self._run(build, [uv.find_uv_bin(), *map(str, args)]):
            with open(build.log, "rb") as log:
                log.seek(max(before, build.log.stat().st_size - LOG_TAIL))
                raise failure(log.read().decode(errors="replace"))

    def _run(self, build: Build, command: list[str]) -> int:
        """Exit code. The command inherits the lock, so that one that outlives us still keeps others out."""
        try:
            with open(build.log, "ab") as log:
                return subprocess.run(
                    command,
                    check=False,
                    env=self._env(),
                    cwd=self.folder,
                    pass_fds=[build.lock],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    timeout=INSTALL_TIMEOUT,
                ).returncode
        except subprocess.TimeoutExpired as error:
            raise EnvironmentFailed(
                f"Installing did not finish within {INSTALL_TIMEOUT // 60} minutes."
            ) from error

    def _env(self) -> dict[str, str]:
        """Where packages come from is in the arguments; nothing that surrounds us may add to it."""
        foreign = ("UV_", "PIP_", "VIRTUAL_ENV", "PYTHONPATH")
        ours = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        cache = {key: os.environ[key] for key in ("UV_CACHE_DIR",) if key in os.environ}
        fixed = {"UV_NO_PROGRESS": "1", "NO_COLOR": "1", "UV_PYTHON_DOWNLOADS": "never"}
        return ours | cache | fixed | self.index.environment

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
    if shutil.disk_usage(folder).free < MIN_FREE:
        raise NoSpace("Less than 512 MB are free on the disk of the data folder.")


def failure(output: str) -> EnvironmentFailed | NoSpace:
    """uv's own message without its drawing, shortened; a package without a wheel in plain words."""
    if "No space left on device" in output:
        return NoSpace("The disk filled up while ZenML was being installed.")
    words = "".join(sign if sign.isprintable() else " " for sign in without_credentials(output))
    text = " ".join(re.sub(r"[×╰─▶│├╭]", " ", words).split())
    if found := NO_WHEEL.search(text):
        return EnvironmentFailed(no_wheel(found[1]))
    _, error, message = text.rpartition("error: ")
    message = message if error else text
    return EnvironmentFailed(
        f"ZenML could not be installed: {message[:REASON_LENGTH] or 'uv gave no message'}"
    )


def no_wheel(package: str) -> str:
    return f"“{package}” has no ready-made package (wheel) that fits, {NOT_BUILT}"
