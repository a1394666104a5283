"""The kubelet: makes containers of pods, looks after them, ends them, and tells how they are."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from . import environment
from .environment import Unset
from .images import Acting, Image, Missing, Pretends, Runs
from .kinds import NODE, POD, SECRET, Key, key_of
from .owning import condition, stated
from .processes import Processes
from .refusals import Refusal, bad_request
from .scheduling import is_alive
from .selectors import matches
from .writing import Writing

LONGEST_BACKOFF = 300.0
NAME = re.compile(r"[a-z0-9]+([._/:@-]+[a-zA-Z0-9]+)*")
UNTIL_PULLED = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}


@dataclass
class Container:
    """What the kubelet knows of one. `process`: as images.Acting and processes.Process are."""

    process: Any = None
    restarts: int = 0
    started: str = ""
    terminated: dict = field(default_factory=dict)
    last: dict = field(default_factory=dict)
    waiting: dict = field(default_factory=dict)
    previous: bytes = b""
    not_before: float = 0.0


class Kubelet:
    """`images`: pattern of a name -> what is in it; the last that fits counts.
    `delay`: seconds before a container that ended twice is started again; doubled with each time."""

    def __init__(self, writing: Writing, processes: Processes):
        self.writing, self.processes = writing, processes
        self.images: dict[str, Image] = {"*": Pretends()}
        self.delay = 10.0
        self.containers: dict[tuple[str, str], Container] = {}

    def step(self) -> None:
        pods = self.writing.store.of(POD)
        living = {node["metadata"]["name"] for node in self.writing.store.of(NODE) if is_alive(node)}
        for pod in pods:
            if pod["spec"].get("nodeName") in living:
                self._look_after(pod)
        self._end_strangers({pod["metadata"]["uid"] for pod in pods})

    def _look_after(self, pod: dict) -> None:
        if pod["metadata"].get("deletionTimestamp"):
            self._end(pod)
        elif pod["status"].get("phase") not in ("Succeeded", "Failed"):
            for container in self._due(pod):
                self._advance(pod, container, self._known(pod, container["name"]))
            self._tell(pod)

    def _due(self, pod: dict) -> list[dict]:
        """Init containers one after the other, then all others. One whose image only pretends has done its work, unless
        something was said of this very container."""
        for one in _first_ones(pod):
            is_real = isinstance(self.image(one["image"]), Runs) or self._own_images(
                one["image"], one["name"]
            )
            if is_real and self._known(pod, one["name"]).terminated.get("exitCode") != 0:
                return [one]
        return pod["spec"]["containers"]

    def _known(self, pod: dict, name: str) -> Container:
        return self.containers.setdefault((pod["metadata"]["uid"], name), Container())

    def _all(self, pod: dict) -> list[Container]:
        return [self._known(pod, one["name"]) for one in _all_of(pod)]

    def _advance(self, pod: dict, container: dict, known: Container) -> None:
        if known.process is not None:
            self._watch(pod, container, known)
        elif not known.terminated and self.writing.clock.now() >= known.not_before:
            self._begin(pod, container, known)

    def _begin(self, pod: dict, container: dict, known: Container) -> None:
        problem = self._pull(pod, container, known) or self._mount(pod)
        if problem:
            known.waiting = problem
            return
        try:
            env = environment.variables(self.writing.store, pod, container)
        except Unset as why:
            known.waiting = {"reason": "CreateContainerConfigError", "message": str(why)}
            self.writing.event(key_of(pod), "Warning", "Failed", f"Error: {why}")
            return
        self._start(pod, container, known, env)

    def _start(self, pod: dict, container: dict, known: Container, env: dict[str, str]) -> None:
        image = self.image(container["image"], container["name"])
        known.process = (
            self.processes.start(pod, container, image, env) if isinstance(image, Runs) else Acting(image)
        )
        known.waiting, known.started = {}, self.writing.clock.stamp()
        self.writing.event(key_of(pod), "Normal", "Started", f"Started container {container['name']}")

    def image(self, name: str, container: str = "") -> Image:
        """What was said of one container goes before what was said of an image."""
        own = self._own_images(name, container)
        found = reversed(self.images.items())
        return own[0] if own else next(image for pattern, image in found if fnmatchcase(name, pattern))

    def _own_images(self, name: str, container: str) -> list[Image]:
        named = f"{container}={name}"
        found = reversed(self.images.items())
        return [image for pattern, image in found if "=" in pattern and fnmatchcase(named, pattern)]

    def _pull(self, pod: dict, container: dict, known: Container) -> dict:
        """Why there is no image; empty when there is."""
        name = container["image"]
        if not NAME.fullmatch(name):
            why = f'Failed to apply default image tag "{name}": couldn\'t parse image name "{name}": invalid reference format'
            return {"reason": "InvalidImageName", "message": why}
        image = self._there(pod, name)
        if not isinstance(image, Missing):
            return {}
        why = f'failed to pull and unpack image "{name}": failed to resolve reference "{name}": {image.why}'
        self.writing.event(key_of(pod), "Warning", "Failed", f'Failed to pull image "{name}": {why}')
        if not known.waiting:
            return {"reason": "ErrImagePull", "message": why}
        back = f'Back-off pulling image "{name}"'
        self.writing.event(key_of(pod), "Normal", "BackOff", back)
        return {"reason": "ImagePullBackOff", "message": f"{back}: ErrImagePull: {why}"}

    def _there(self, pod: dict, name: str) -> Image:
        labels = self.writing.faults.unpullable
        return Missing("connection refused") if labels and matches(pod, labels) else self.image(name)

    def _mount(self, pod: dict) -> dict:
        for volume in pod["spec"].get("volumes") or []:
            name = volume.get("secret", {}).get("secretName")
            wanted = Key(SECRET, pod["metadata"]["namespace"], name or "")
            if name and not volume["secret"].get("optional") and not self.writing.store.get(wanted):
                why = f'MountVolume.SetUp failed for volume "{volume["name"]}" : secret "{name}" not found'
                self.writing.event(key_of(pod), "Warning", "FailedMount", why)
                return {"reason": "ContainerCreating"}
        return {}

    def _watch(self, pod: dict, container: dict, known: Container) -> None:
        code = known.process.poll()
        if code is None:
            return
        end = {"exitCode": code, "reason": known.process.reason or ("Completed" if code == 0 else "Error")}
        end |= {"startedAt": known.started, "finishedAt": self.writing.clock.stamp()}
        known.previous = known.process.output()
        known.process.close()
        policy = pod["spec"]["restartPolicy"]
        policy = "OnFailure" if policy == "Always" and container in _first_ones(pod) else policy
        if policy == "Always" or (policy == "OnFailure" and code):
            self._back_off(pod, container, known, end)
        else:
            known.terminated, known.process = end, None

    def _back_off(self, pod: dict, container: dict, known: Container, end: dict) -> None:
        """The first time it is started again at once."""
        delay = min(LONGEST_BACKOFF, self.delay * 2 ** (known.restarts - 1)) if known.restarts else 0
        meta, name = pod["metadata"], container["name"]
        where = f"{name} pod={meta['name']}_{meta['namespace']}({meta['uid']})"
        known.last, known.process, known.restarts = {"terminated": end}, None, known.restarts + 1
        known.not_before = self.writing.clock.now() + delay
        if delay:
            message = f"back-off {_spoken(delay)} restarting failed container={where}"
            known.waiting = {"reason": "CrashLoopBackOff", "message": message}
            self.writing.event(
                key_of(pod), "Warning", "BackOff", f"Back-off restarting failed container {name} in pod"
            )

    def _tell(self, pod: dict) -> None:
        statuses = [self._status(pod, one) for one in pod["spec"]["containers"]]
        ready = all(one["ready"] for one in statuses)
        now, waits = self.writing.clock.stamp(), [one["name"] for one in statuses if not one["ready"]]
        said = (
            (ready, "", "")
            if ready
            else (False, "ContainersNotReady", f"containers with unready status: [{' '.join(waits)}]")
        )
        placed = [condition(pod, "PodScheduled"), stated(pod, "Initialized", (True, "", ""), now)]
        conditions = [*placed, *[stated(pod, kind, said, now) for kind in ("ContainersReady", "Ready")]]
        others = {
            "hostIP": "127.0.0.1",
            "podIP": "127.0.0.1",
            "startTime": pod["status"].get("startTime", now),
        }
        new = {"phase": self._phase(pod), "conditions": conditions, "containerStatuses": statuses}
        if first := [self._status(pod, one) for one in _first_ones(pod)]:
            new["initContainerStatuses"] = first
        self.writing.set_status(key_of(pod), {**pod["status"], **others, **new})

    def _phase(self, pod: dict) -> str:
        first, containers = ([self._known(pod, one["name"]) for one in part] for part in _parts(pod))
        if any(one.terminated.get("exitCode") for one in first):
            return "Failed"
        if all(one.terminated for one in containers):
            failed = any(one.terminated["exitCode"] for one in containers)
            return "Failed" if failed else "Succeeded"
        return (
            "Running"
            if all(one.process or one.terminated or one.restarts for one in containers)
            else "Pending"
        )

    def _status(self, pod: dict, container: dict) -> dict:
        known = self._known(pod, container["name"])
        runs = known.process is not None
        return {
            "name": container["name"],
            "image": container["image"],
            "imageID": f"sha256:{'0' * 64}" if runs or known.restarts else "",
            "containerID": f"containerd://{pod['metadata']['uid']}" if runs or known.restarts else "",
            "ready": runs and known.process.ready and known.process.poll() is None,
            "started": runs and known.process.started,
            "restartCount": known.restarts,
            "state": self._state(known),
            "lastState": known.last,
        }

    def _state(self, known: Container) -> dict:
        if known.terminated:
            return {"terminated": known.terminated}
        if known.process is not None:
            return {"running": {"startedAt": known.started}}
        if known.last and not known.waiting:
            return known.last
        return {"waiting": known.waiting or {"reason": "ContainerCreating"}}

    def _end(self, pod: dict) -> None:
        """Ask the containers to end, kill them after the time they have, and let the pod go."""
        running = [one.process for one in self._all(pod) if one.process and one.process.poll() is None]
        over = self.writing.clock.since(pod["metadata"]["deletionTimestamp"]) >= 0
        for process in running:
            process.kill() if over else process.terminate()
        if not any(process.poll() is None for process in running):
            self._finish(pod)

    def _finish(self, pod: dict) -> None:
        """With a finalizer it stays, at its end."""
        for container in _all_of(pod):
            known = self._known(pod, container["name"])
            if known.process:
                self._watch({**pod, "spec": {**pod["spec"], "restartPolicy": "Never"}}, container, known)
        if pod["metadata"].get("finalizers"):
            self._tell(pod)
        self.writing.delete(key_of(pod), {"gracePeriodSeconds": 0})

    def _end_strangers(self, uids: set[str]) -> None:
        """Whose pod is gone, as when somebody deleted it by force."""
        for uid, name in [one for one in self.containers if one[0] not in uids]:
            known = self.containers.pop((uid, name))
            if known.process:
                known.process.close()
            self.processes.forget(uid)

    def lose(self, node: str) -> None:
        """The machine is gone, with all that ran on it; nobody tells the cluster."""
        uids = {
            pod["metadata"]["uid"]
            for pod in self.writing.store.of(POD)
            if pod["spec"].get("nodeName") == node
        }
        for (uid, _), known in self.containers.items():
            if uid in uids and known.process:
                known.process.close()

    def log_of(self, pod: dict, name: str, previous: bool) -> Callable[[], bytes]:
        """What reads the log of a container. Raises a Refusal as long as it has none."""
        if not pod["spec"].get("nodeName"):
            return bytes
        known = self._known(pod, self._chosen(pod, name))
        node = self.writing.store.get(Key(NODE, "", pod["spec"]["nodeName"]))
        if not node or not is_alive(node):
            raise Refusal(
                500,
                "InternalError",
                f'Get "https://{pod["spec"]["nodeName"]}:10250/containerLogs": dial tcp: i/o timeout',
            )
        if previous and not known.last:
            what = f'previous terminated container "{self._chosen(pod, name)}" in pod "{pod["metadata"]["name"]}" not found'
            raise bad_request(what)
        if not previous and not known.process and not known.last and not known.terminated:
            raise bad_request(self._waits(pod, self._chosen(pod, name), known))
        return lambda: known.process.output() if known.process and not previous else known.previous

    def _chosen(self, pod: dict, name: str) -> str:
        names, pod_name = [one["name"] for one in pod["spec"]["containers"]], pod["metadata"]["name"]
        if not name and len(names) > 1:
            raise bad_request(
                f"a container name must be specified for pod {pod_name}, choose one of: [{' '.join(names)}]"
            )
        if name and name not in [one["name"] for one in _all_of(pod)]:
            raise bad_request(f"container {name} is not valid for pod {pod_name}")
        return name or names[0]

    def _waits(self, pod: dict, name: str, known: Container) -> str:
        reason = known.waiting.get("reason", "ContainerCreating")
        said = UNTIL_PULLED.get(reason, reason)
        return f'container "{name}" in pod "{pod["metadata"]["name"]}" is waiting to start: {said}'

    def followed(self, key: Key, read: Callable[[], bytes]) -> Iterator[bytes]:
        """What is added to a log, until the pod has ended."""
        store, told = self.writing.store, len(read())
        while not store.ended:
            pod = store.get(key)
            over = not pod or pod["status"].get("phase") in ("Succeeded", "Failed")
            text = read()
            yield text[told:]
            told = max(told, len(text))
            if over:
                return
            time.sleep(0.02)


def _first_ones(pod: dict) -> list[dict]:
    return pod["spec"].get("initContainers") or []


def _parts(pod: dict) -> tuple[list[dict], list[dict]]:
    return _first_ones(pod), pod["spec"]["containers"]


def _all_of(pod: dict) -> list[dict]:
    return [one for part in _parts(pod) for one in part]


def _spoken(seconds: float) -> str:
    """As Go prints a duration: 10s, 1m20s."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
