"""A cluster in this process: `running_cluster`."""

import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from tests.certificates import company_in

from .api import Server
from .clock import Clock
from .faults import Faults
from .housekeeping import Claims, Garbage, Namespaces, Quotas
from .jobs import Jobs
from .kinds import BY_NAME, NODE, POD, STORAGE_CLASS, Key, key_of
from .owning import stated
from .pods import Kubelet
from .processes import Processes
from .refusals import Refusal
from .rollouts import Deployments, ReplicaSets
from .scheduling import Scheduler
from .selectors import matches
from .store import Store
from .writing import Writing

IDLE = 0.05  # seconds after which what only time changes is looked at


class Cluster:
    """What tests do with it; see the package."""

    def __init__(self, folder: Path, tls: bool = False):
        self.store, self.clock, self.faults = Store(), Clock(), Faults()
        self.writing = Writing(self.store, self.clock, self.faults)
        self.processes = Processes(self.store, self.clock, folder)
        self.kubelet = Kubelet(self.writing, self.processes)
        self.jobs = Jobs(self.writing)
        self.token, self.requests, self.errors, self.calm = "test-token", [], [], 0
        self.certificate, self.authority = company_in(folder) if tls else (None, None)
        self._steps = self._controllers()
        self._furnish()
        self._server = Server(self, tls=self.certificate)
        self.port = self.processes.port = self._server.server_port
        if tls:
            self.processes.inside = {"ca.crt": self.authority.read_text()}
        self._loop = threading.Thread(target=self._go_on, daemon=True)
        self._loop.start()

    def _controllers(self) -> list:
        kinds = (Namespaces, Garbage, Claims, Deployments, ReplicaSets, Scheduler, Quotas)
        return [*[kind(self.writing).step for kind in kinds], self.jobs.step, self.kubelet.step]

    def _furnish(self) -> None:
        for name in ("default", "kube-system"):
            self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        what = {
            "apiVersion": "storage.k8s.io/v1",
            "kind": STORAGE_CLASS.name,
            "metadata": {"name": "standard"},
        }
        self.create({**what, "provisioner": "test", "volumeBindingMode": "Immediate"})
        self.add_node("node-1")

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}"

    @property
    def images(self) -> dict:
        return self.kubelet.images

    def kubeconfig(self, path: Path, namespace: str = "default", token: str | None = None) -> Path:
        """Writes one that clients find this cluster by."""
        user = {"name": "zenpro", "user": {"token": self.token if token is None else token}}
        context = {"cluster": "test", "user": "zenpro", "namespace": namespace}
        where = {"server": self.url} | (
            {"certificate-authority": str(self.authority)} if self.authority else {}
        )
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": where}],
            "users": [user],
            "contexts": [{"name": "test", "context": context}],
            "current-context": "test",
        }
        path.write_text(yaml.safe_dump(document))
        return path

    def create(self, obj: dict) -> dict:
        """As an administrator, by no request: faults that refuse requests do not count."""
        kind = BY_NAME[obj["apiVersion"], obj["kind"]]
        return self.writing.create(
            kind, obj["metadata"].get("namespace", "default"), dict(obj), "administrator"
        )

    def get(self, kind: str, name: str, namespace: str = "default") -> dict | None:
        """An object as it is stored. `kind` by its name: Deployment."""
        return self.store.get(self._key(kind, name, namespace))

    def list(self, kind: str, namespace: str = "", labels: str = "") -> list[dict]:
        found = self.store.of(self._kind(kind), namespace)
        return [obj for obj in found if matches(obj, labels)]

    def change(self, kind: str, name: str, by, namespace: str = "default") -> dict:
        """`by`: old object -> new object, status included."""
        with self.store.lock:
            key = self._key(kind, name, namespace)
            return self.store.put(key, by(self.store.get(key)))

    def delete(self, kind: str, name: str, namespace: str = "default", **options) -> dict:
        return self.writing.delete(self._key(kind, name, namespace), options)

    def _kind(self, name: str):
        return next(kind for kind in BY_NAME.values() if kind.name == name)

    def _key(self, kind: str, name: str, namespace: str) -> Key:
        found = self._kind(kind)
        return Key(found, namespace if found.namespaced else "", name)

    def until(self, found, seconds: float = 20):
        """What `found` answers as soon as it is something."""
        return self.store.until(found, seconds)

    def settle(self) -> None:
        """Until there is nothing to do: every controller has seen what is, and changed nothing."""
        with self.store.lock:
            self.calm = 0
            self.store.wake()
            self.store.until(lambda: self.calm)

    def pass_time(self, seconds: float) -> None:
        """Deadlines, back-offs and times to live come nearer."""
        self.settle()
        self.clock.forward(seconds)
        self.settle()

    def end_container(self, pod: str, code: int, reason: str = "", namespace: str = "default") -> None:
        """One that pretends ends by itself."""
        with self.store.lock:
            uid = self.store.get(Key(POD, namespace, pod))["metadata"]["uid"]
            for (owner, _), known in self.kubelet.containers.items():
                if owner == uid and known.process:
                    known.process.end(code, reason)
            self.store.wake()

    def add_node(self, name: str, cpu: str = "8", memory: str = "32Gi", **labels: str) -> None:
        labels = {"kubernetes.io/hostname": name, **labels}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {}}
        key = key_of(self.create(node))
        ready = stated(
            node, "Ready", (True, "KubeletReady", "kubelet is posting ready status"), self.clock.stamp()
        )
        room = {"cpu": cpu, "memory": memory}
        self.writing.set_status(key, {"allocatable": room, "capacity": room, "conditions": [ready]})

    def lose_node(self, name: str, evict: bool = False) -> None:
        """A node is gone: its pods are not ready any more. `evict`: five minutes later, they are to move."""
        with self.store.lock:
            self.kubelet.lose(name)
            key, now = Key(NODE, "", name), self.clock.stamp()
            unknown = {
                "type": "Ready",
                "status": "Unknown",
                "reason": "NodeStatusUnknown",
                "lastTransitionTime": now,
            }
            unknown["message"] = "Kubelet stopped posting node status."
            self.writing.set_status(key, {**self.store.get(key)["status"], "conditions": [unknown]})
            for pod in self.store.of(POD):
                if pod["spec"].get("nodeName") == name:
                    self._cut_off(pod, evict)

    def vanish(self, labels: str, namespace: str = "default") -> None:
        """Jobs with these labels, and their pods, are gone as with a node and what the cluster knew of it: nothing of
        them is asked to end, and nobody is told."""
        jobs = {one["metadata"]["name"] for one in self.list("Job", namespace, labels)}
        with self.store.lock:
            for name in jobs:
                self.delete("Job", name, namespace, propagationPolicy="Orphan")
            for pod in self.list("Pod", namespace):
                if pod["metadata"].get("labels", {}).get("job-name") in jobs:
                    self.delete("Pod", pod["metadata"]["name"], namespace, gracePeriodSeconds=0)

    def _cut_off(self, pod: dict, evict: bool) -> None:
        now, key = self.clock.stamp(), key_of(pod)
        kept = [one for one in pod["status"].get("conditions", []) if one["type"] != "Ready"]
        new = [stated(pod, "Ready", (False, "NodeNotReady", ""), now)]
        if evict:
            why = "Taint manager: deleting due to NoExecute taint"
            new.append(stated(pod, "DisruptionTarget", (True, "DeletionByTaintManager", why), now))
        self.writing.set_status(key, {**pod["status"], "conditions": [*kept, *new]})
        if evict:
            self.writing.delete(key, {"propagationPolicy": "Background"})

    def refuse(self) -> None:
        """Connections are refused, and those that are there are cut, until `listen`."""
        self._server.end()

    def listen(self) -> None:
        self._server = Server(self, self.port, self.certificate)

    def note_error(self) -> None:
        """Clients may hang up at any time; what else goes wrong in here is ours."""
        error = sys.exception()
        if not isinstance(error, OSError) and "closed file" not in str(error):
            self.errors.append(traceback.format_exc())

    def _go_on(self) -> None:
        while not self.store.ended:
            with self.store.lock:
                self._pass()
        self.processes.close()  # here, since the kernel kills them, without our waiting, when this thread is gone

    def _pass(self) -> None:
        """One look at everything; a rest when nothing came of it."""
        seen = self.store.revision
        for step in self._steps:
            self._take(step)
        if self.store.revision == seen:
            self.calm += 1
            self.store.wake()
            self.store.news.wait(IDLE)

    def _take(self, step) -> None:
        try:
            step()
        except Refusal:
            pass  # a fault of the test's: the next pass tries again
        except Exception:  # noqa: BLE001 - whatever it is, the test is to fail with it
            self.errors.append(traceback.format_exc())

    def end(self) -> None:
        self.store.end()
        self._server.end()
        self._loop.join(20)


@contextmanager
def running_cluster(folder: Path, tls: bool = False) -> Iterator[Cluster]:
    """`folder`: an empty one for logs and volumes of pods. `tls`: with a certificate of an authority of its own, which
    its kubeconfig names; kubectl sends tokens to no other. A mistake of the cluster's own fails the test."""
    cluster = Cluster(folder, tls)
    try:
        yield cluster
    finally:
        cluster.end()
    assert not cluster.errors, cluster.errors[0]
