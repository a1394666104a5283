"""One virtual environment per ZenML version, made by uv and shared by all tenants of that version."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import uv

from tenants.hosting.base import EnvironmentFailed, NoSpace
from tenants.hosting.local import box, bytecode, folders
from tenants.hosting.local.index import PackageIndex, without_credentials
from tenants.hosting.local.space import shortage
from tenants.hosting.local.variables import PASSED_ON, certificate_paths

VERSION = re.compile(r"\d+\.\d+(\.\d+)?((a|b|rc|\.post|\.dev)\d+)?")
INSTALL_TIMEOUT = 900  # seconds for one call of uv
REASON_LENGTH = 600
LOG_TAIL = 64 * 1024  # bytes of a log that are looked at
CACHE = ".cache"  # in an environment in the making, when it may not share uv's own
NOT_BUILT = "and packages are not built from source here."
COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
UNKNOWN = re.compile(r"UnknownIssuer|unable to get local issuer certificate|self[- ]signed certificate")
UNKNOWN_CERTIFICATE = (
    "The package index uses a certificate that this machine does not know: "
    "set SSL_CERT_FILE to your company's certificates."
)
NO_CERTIFICATES = re.compile(r"Invalid `(SSL_CERT_FILE|SSL_CERT_DIR)`\. (Path does not exist: \S+[^\s.])")
NO_WHEEL = re.compile(r"[Ww]heels are required for `([\w.-]+)`")
LARGEST_FILE = 4 * 1024**3  # bytes, of what a build writes
BUILD_PROCESSES = 1024
NEEDS_OLD_SETUPTOOLS = (0, 84)  # earlier versions import pkg_resources


def version_key(version: str) -> tuple[int, ...]:
    """Sort key: (0, 98, 0) of "0.98.0"."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


@dataclass(frozen=True)
class Build:
    """An environment in the making: its folder, the lock that keeps others out, and where its output goes.

    `alone`: code of packages may run in it, so it sees nothing of other builds.
    """

    place: Path
    lock: int
    log: Path
    alone: bool = False

    @property
    def python(self) -> Path:
        return self.place / "bin" / "python"


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
        self.yard = self.folder / ".uv"
        self.interpreter = python
        self.base = os.path.realpath(
            python
        )  # not the one of our own environment, which no build needs to see
        self.isolation = isolation
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

    def builds_from_source(self, version: str) -> bool:
        """Building runs code of a package's author: nothing is built unless someone takes responsibility for it."""
        return False

    def log(self, version: str) -> Path:
        """What was written when the environment was last made."""
        return self.folder / f".log-{self.path(version).name}"

    def lines(self, version: str, count: int) -> list[str]:
        """The end of that, for people; [] when nothing was written. Without passwords, and without what a package's
        author could use to make a page or a terminal say something else."""
        try:
            text = COLOURS.sub("", end_of(self.log(version)))
        except OSError:
            return []
        text = without_credentials(text).replace(str(self.folder), "…")
        return [line for line in map(_printable, text.splitlines()) if line][-count:]

    def reason(self, version: str) -> str:
        """Why it could not be made, "" where that is not known."""
        try:
            return end_of(self._reason(version))
        except OSError:
            return ""

    def _reason(self, version: str) -> Path:
        return self.folder / f".reason-{version}"

    def _note(self, version: str, reason: str) -> None:
        """Why it could not be made. That it stays unknown must not hide the reason itself."""
        with contextlib.suppress(OSError):
            self._reason(version).write_text(reason)

    def is_being_made(self, version: str) -> bool:
        """Whoever makes it holds its lock, and loses it by dying."""
        try:
            with open(self.folder / f".lock-{version}") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def versions(self) -> list[str]:
        """Installed versions, newest first."""
        found = [path.name.removeprefix("server-") for path in self.folder.glob("server-*")]
        return sorted(filter(self.installed, filter(VERSION.fullmatch, found)), key=version_key, reverse=True)

    def install(self, version: str) -> None:
        """Make the environment: build beside, then rename. Raises EnvironmentFailed, NoSpace."""
        if self.installed(version):
            return
        for folder in (self.folder, self.yard, self.yard / "tmp", *self._given_cache()):
            folder.mkdir(parents=True, exist_ok=True)
        with self._exclusive(version) as lock:
            self._remove_remains(version)
            if not self.installed(version):
                self._build(version, lock)

    def _build(self, version: str, lock: int) -> None:
        check_space(self.folder)
        place = Path(tempfile.mkdtemp(prefix=f"build-{version}-", dir=self.yard))
        build = Build(place, lock, self._new_log(version), alone=self.builds_from_source(version))
        try:
            self._fill(build, version)
            place.chmod(0o755)
            place.rename(self.path(version))
        except BaseException:
            folders.remove(place)
            raise
        finally:
            keep_end(build.log)

    def _fill(self, build: Build, version: str) -> None:
        cache = build.place / CACHE
        cache.mkdir()
        venv = ("venv", "--relocatable", "--allow-existing", "--quiet", "--python", self.base)
        self._uv(build, *venv, build.place)
        self._uv(build, "pip", "install", *self._options(build), *self.packages(version))
        self._compile(build)
        folders.remove(cache)

    def _options(self, build: Build) -> list[object]:
        source = [] if build.alone else ["--only-binary", ":all:"]
        return [*self.index.arguments, *source, "--python", build.python]

    def _new_log(self, version: str) -> Path:
        log = self.log(version)
        log.unlink(missing_ok=True)
        log.touch(mode=0o600)
        return log

    def _uv(self, build: Build, *args: object) -> None:
        """Run uv in a box: it reads what strangers packed. Raises EnvironmentFailed, NoSpace."""
        binary = Path(uv.find_uv_bin())
        before = build.log.stat().st_size
        files = {*map(Path, self.index.files), *certificate_paths(os.environ)}
        read = [binary, *self._bases(), *sorted(filter(Path.exists, files))]
        walls = box.Walls(read=read, write=self._places(build), limits=limits_of(build))
        if self._boxed(build, [str(binary), *map(str, args)], walls, self._env(build)):
            raise failure(end_of(build.log, before))

    def _compile(self, build: Build) -> None:
        """Costs some seconds, once, and saves 7 s of each first start; less where an environment of servers has the
        same packages. Not by uv, which would start the environment's own Python: a package may have put code there
        that runs at each start, or another program in its place.

        A file that does not compile is none of a package's that works, so the result is not looked at.
        """
        if not build.alone:
            self._take_over(build)
        workers = "0" if self._kind() is box.IsolationKind.BUBBLEWRAP else "1"  # several need shared memory
        command = [str(self.base), "-I", "-S", "-m", "compileall", "-qq", "-j", workers]
        walls = box.Walls(read=self._bases(), write=[build.place], limits=limits_of(build))
        self._boxed(build, [*command, str(build.place / "lib")], walls, {"PATH": "/usr/bin:/bin"})

    def _take_over(self, build: Build) -> None:
        """Only from what servers use: what people ask for may bring compiled files of its own for others' packages."""
        for made in self.folder.glob("server-*/lib"):
            bytecode.take_over(made, build.place / "lib")

    def _boxed(self, build: Build, command: list[str], walls: box.Walls, env: dict[str, str]) -> int:
        """Exit code. Its keeper inherits the lock, so that a build that outlives us still keeps others out."""
        here = build.place if build.alone else self.yard
        order = box.document("", command, env, here, walls, self._kind())
        try:
            with open(build.log, "ab") as log:
                order |= {"lock_fd": build.lock}
                done = box.run(order, timeout=INSTALL_TIMEOUT, pass_fds=[build.lock], output=log)
                return done.returncode
        except subprocess.TimeoutExpired as error:
            minutes = INSTALL_TIMEOUT // 60
            raise EnvironmentFailed(f"Installing did not finish within {minutes} minutes.") from error

    def _kind(self) -> box.IsolationKind:
        return box.chosen(self.isolation).kind

    def _bases(self) -> list[Path]:
        return box.base_folders(str(self.base))

    def _places(self, build: Build) -> list[Path]:
        """What uv may write: one folder with its cache and what is being built, so that files are linked, not copied.

        Not where code of packages runs: what is built there must reach others neither through the cache nor directly.
        """
        if build.alone:
            return [build.place]
        return [self.yard, *self._given_cache()]

    def _given_cache(self) -> list[Path]:
        """The service's own cache of uv, where one is set; it may not be there yet."""
        given = os.environ.get("UV_CACHE_DIR")
        return [Path(given)] if given else []

    def _env(self, build: Build) -> dict[str, str]:
        """Complete: nothing of the agent's reaches a build, but how to reach the package index."""
        scratch = build.place / CACHE if build.alone else self.yard / "tmp"
        cache = os.environ.get("UV_CACHE_DIR") or str(self.yard / "cache")
        fixed = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(scratch),
            "TMPDIR": str(scratch),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "UV_NO_PROGRESS": "1",
            "UV_NO_CONFIG": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_CACHE_DIR": str(scratch / "uv") if build.alone else cache,
        }
        certificates = {name: os.environ[name] for name in PASSED_ON if os.environ.get(name)}
        return certificates | fixed | self.index.environment

    def _remove_remains(self, version: str) -> None:
        """What a killed build left; we hold the lock, so no one works in it."""
        for path in self.yard.glob(f"build-{version}-*"):
            folders.remove(path)

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


def limits_of(build: Build) -> box.Limits:
    """The time also for a build that outlives the agent: whoever wants the same environment waits for its lock."""
    processes = BUILD_PROCESSES if build.alone else 0
    return box.Limits(processes=processes, file_size=LARGEST_FILE, seconds=INSTALL_TIMEOUT)


def end_of(log: Path, start: int = 0) -> str:
    """The end of what was written after `start`."""
    with open(log, "rb") as file:
        file.seek(max(start, os.fstat(file.fileno()).st_size - LOG_TAIL))
        return file.read().decode(errors="replace")


def keep_end(log: Path) -> None:
    """A build can write without end; no one reads more than the last part."""
    with contextlib.suppress(OSError):
        if log.stat().st_size > LOG_TAIL:
            log.write_text(end_of(log))


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
    if UNKNOWN.search(message):
        return EnvironmentFailed(f"ZenML could not be installed. {unknown_certificate(text)}")
    return EnvironmentFailed(
        f"ZenML could not be installed: {message[:REASON_LENGTH] or 'uv gave no message'}"
    )


def unknown_certificate(text: str) -> str:
    """Also when certificates were given, and are not where the variable says."""
    found = NO_CERTIFICATES.search(text)
    return f"{UNKNOWN_CERTIFICATE} {found[1]}: {found[2]}." if found else UNKNOWN_CERTIFICATE


def _printable(line: str) -> str:
    return "".join(sign for sign in line if sign.isprintable() or sign == "\t").rstrip()


def no_wheel(package: str) -> str:
    return f"“{package}” has no ready-made package (wheel) that fits, {NOT_BUILT}"
