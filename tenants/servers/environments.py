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

from tenants.servers import box
from tenants.servers.base import EnvironmentFailed, NoSpace
from tenants.servers.index import PackageIndex, without_credentials
from tenants.servers.space import shortage
from tenants.servers.variables import PASSED_ON, PROXIES

VERSION = re.compile(r"\d+\.\d+(\.\d+)?((a|b|rc|\.post|\.dev)\d+)?")
INSTALL_TIMEOUT = 900  # seconds for one call of uv
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
    """An environment in the making: the lock that keeps others out, where its output goes, and where it is made.

    `alone`: code of strangers runs in it, so it shares no cache and sees no other build.
    """

    lock: int
    log: Path
    place: Path
    alone: bool


class Environments:
    """Environments under `data/envs/server-<version>`. An existing folder is a complete environment."""

    def __init__(
        self,
        data: Path,
        python: str = sys.executable,
        index: PackageIndex | None = None,
        isolation: str = "",
    ):
        """`python`: interpreter the environments are made from; `index`: where packages come from;
        `isolation`: the setting ZENPRO_ISOLATION, see box.chosen()."""
        self.folder = Path(data).resolve() / "envs"
        self.yard = (
            self.folder / ".uv"
        )  # uv's cache and what is being made: in one place, so that files are linked
        self.interpreter = python
        self.base = Path(os.path.realpath(python))  # our own environment is none of a build's business
        self.index = index or PackageIndex()
        self.isolation = isolation

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
        self.yard.mkdir(parents=True, exist_ok=True)
        with self._exclusive(version) as lock:
            self._remove_remains(version)
            if not self.installed(version):
                self._build(version, lock)

    def runs_foreign_code(self, version: str) -> bool:
        """Whether packages may be built from source here."""
        return False

    def _build(self, version: str, lock: int) -> None:
        check_space(self.folder)
        place = self._new_folder(version)
        build = Build(lock, self._new_log(version), place, self.runs_foreign_code(version))
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
            self._compile(build)
            shutil.rmtree(place / CACHE, ignore_errors=True)
            place.chmod(0o755)
            place.rename(self.path(version))
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise

    def _python(self, place: Path) -> list[object]:
        return ["--python", self.base, place]

    def _install_arguments(self, version: str, place: Path) -> list[object]:
        options = [*self.index.arguments, *self.build_arguments(version, place)]
        return [*options, "--python", place / "bin" / "python", *self.packages(version)]

    def _new_folder(self, version: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=f"build-{version}-", dir=self.yard))

    def _new_log(self, version: str) -> Path:
        log = self.log(version)
        log.unlink(missing_ok=True)
        log.touch(mode=0o600)
        return log

    def _uv(self, build: Build, *args: object) -> None:
        """Run uv in a box: it reads what strangers packed. Raises EnvironmentFailed with its own words, NoSpace."""
        before, binary = build.log.stat().st_size, Path(uv.find_uv_bin())
        walls = box.Walls(
            read=[binary, *self._bases(), *map(Path, self.index.files)], write=self._places(build)
        )
        if self._run(build, [str(binary), *map(str, args)], walls):
            with open(build.log, "rb") as log:
                log.seek(max(before, build.log.stat().st_size - LOG_TAIL))
                raise failure(log.read().decode(errors="replace"))

    def _compile(self, build: Build) -> None:
        """Costs 3 s here, once, and saves 7 s of each first start.

        By the interpreter the environment is made from: its own, which uv would take, runs what packages put into
        .pth files. Files that are not Python 3 are left as they are.
        """
        workers = "0" if self._kind() is box.Kind.BUBBLEWRAP else "1"  # several need shared memory
        options = ["-I", "-S", "-m", "compileall", "-qq", "-j", workers]
        walls = box.Walls(read=self._bases(), write=[build.place])
        self._run(build, [str(self.base), *options, str(build.place / "lib")], walls)

    def _run(self, build: Build, command: list[str], walls: box.Walls) -> int:
        """Exit code. The keeper holds the lock, so that a build that outlives us still keeps others out."""
        order = box.document("", command, self._env(build), build.place, walls, self._kind())
        try:
            with open(build.log, "ab") as log:
                done = box.run(
                    order | {"lock_fd": build.lock},
                    timeout=INSTALL_TIMEOUT,
                    pass_fds=[build.lock],
                    output=log,
                )
        except subprocess.TimeoutExpired as error:
            minutes = INSTALL_TIMEOUT // 60
            raise EnvironmentFailed(f"Installing did not finish within {minutes} minutes.") from error
        return done.returncode

    def _kind(self) -> box.Kind:
        return box.chosen(self.isolation).kind

    def _bases(self) -> list[Path]:
        return box.python_folders(self.base)

    def _places(self, build: Build) -> list[Path]:
        """What uv may write."""
        if build.alone:
            return [build.place]
        return [self.yard, *([Path(given)] if (given := os.environ.get("UV_CACHE_DIR")) else [])]

    def _env(self, build: Build) -> dict[str, str]:
        """Complete: nothing of the agent's reaches a build, and no password one that runs foreign code."""
        names = PASSED_ON if build.alone else (*PASSED_ON, *PROXIES, "NO_PROXY", "no_proxy")
        passed = {name: os.environ[name] for name in names if os.environ.get(name)}
        fixed = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(build.place),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "UV_NO_PROGRESS": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR") or str(self.yard / "cache"),
        }
        return passed | fixed | self.index.environment

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
    if short := shortage(folder):
        raise NoSpace(short)


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
