"""What the chart renders, in a cluster whose pods are real processes: an installation from nothing to a tenant's end. Slow.

The cluster is that of the tests, so what only a real one has is not here: the image, admission, network policies.
"""

import os
import re
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import httpx
import psycopg
import pytest
import yaml
from cryptography.fernet import Fernet
from lightkube import Client, KubeConfig, codecs
from psycopg.rows import dict_row

from tenants.agent.one_agent import BEGINS, WAITS
from tenants.hosting.kubernetes import naming
from tenants.hosting.kubernetes.kinds import BY_KIND
from tests.cluster import running_cluster
from tests.cluster.images import Runs
from tests.guards.walk import ROOT
from tests.site.deploy.charts import TENANTS, rendered
from tests.tenants.hosting.conftest import VERSION, backend
from tests.tenants.hosting.elsewhere.clients import Machine, approval
from tests.tenants.hosting.stub_control_plane import free_port

SERVER = os.environ.get("ZENPRO_TEST_DATABASE_URL", "")
pytestmark = [
    pytest.mark.zenml,
    pytest.mark.postgres,
    pytest.mark.database,
    pytest.mark.skipif(not SERVER, reason="the chart needs PostgreSQL"),
]
NAMESPACE, ZENPRO = "zenpro", "zenpro:0.1.0"
TENANT, OLD = "/o/acme/t/first/", "0.97.0"
# In place of /tmp, below which this checkout and its environment may lie.
SCRATCH = "/zenpro-tmp"
# What a name server does for people.
NAMES = """
import socket
found = socket.getaddrinfo
def as_here(host, *args, **more):
    return found("127.0.0.1" if str(host).endswith(".localhost") else host, *args, **more)
socket.getaddrinfo = as_here
"""


@contextmanager
def empty_database():
    """The address of one that is gone afterwards."""
    name = f"chart_{uuid4().hex[:8]}"
    with psycopg.connect(SERVER, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield urlsplit(SERVER)._replace(path=f"/{name}").geturl()
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def cluster(tmp_path):
    """One that pods find from inside."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    with running_cluster(folder, tls=True) as running:
        yield running


@pytest.fixture
def database():
    with empty_database() as address:
        yield address


class Browser:
    """Of one person."""

    def __init__(self, url: str):
        self.http = httpx.Client(base_url=url, follow_redirects=True, timeout=30, trust_env=False)

    def read(self, path: str) -> str:
        return self.http.get(path).text

    def send(self, path: str, **data: str) -> httpx.Response:
        """Open a page with a form and send it."""
        return self.press(path, path, **data)

    def press(self, path: str, target: str, **data: str) -> httpx.Response:
        """Open a page, and send one of its forms there."""
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.read(path))[1]
        return self.http.post(target, data={"csrfmiddlewaretoken": token, **data})


class Installation:
    """The chart, applied."""

    def __init__(self, cluster, database: str, folder):
        self.cluster, self.database, self.folder = cluster, database, folder
        self.port, self.tenant_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.ada, self.grace = Browser(self.url), Browser(self.url)

    def values(self) -> dict:
        return {
            "url": self.url,
            "adminEmail": "ada@example.org",
            "keys": {"existingSecret": "keys"},
            "database": {"existingSecret": "database"},
            "web": {"replicas": 1, "port": self.port},
            "tenants": {"url": f"http://*.localhost:{self.tenant_port}"},
        }

    def install(self, pythons: dict[str, Path]) -> None:
        """`pythons`: of environments with the server, by its version."""
        self._fill_images(pythons)
        self.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        config = self.cluster.kubeconfig(self.folder / "kubeconfig")
        self._secret("database", DATABASE_URL=self.database)
        self._secret("keys", ZENPRO_SECRET_KEY="k" * 50, ZENPRO_SECRET_KEYS=Fernet.generate_key().decode())
        client = Client(KubeConfig.from_file(config), field_manager="helm")
        found = sorted(rendered(self.values()).values(), key=lambda one: one["kind"] != "Namespace")
        text = yaml.safe_dump_all(found).replace("mountPath: /tmp\n", f"mountPath: {SCRATCH}\n")
        for one in codecs.load_all_yaml(text):
            client.apply(one)

    def _fill_images(self, pythons: dict[str, Path]) -> None:
        env = {"DJANGO_SETTINGS_MODULE": "tests.site.deploy.image", "PYTHONUNBUFFERED": "1"}
        env |= {
            "TMPDIR": SCRATCH,
            "PYTHONPATH": f"{ROOT}:{ROOT}/tests",
            "TESTS_TENANT_PORT": str(self.tenant_port),
            "ZENPRO_KEEP_DELETED_DAYS": "0",
        }
        self.cluster.images[ZENPRO] = Runs((sys.executable, "-m", "zenpro_site"), env)
        server = ("-m", "uvicorn", "zenml.zen_server.zen_server_api:app", "--host", "127.0.0.1")
        for version, python in pythons.items():
            command = (str(python), *server, "--port", str(self.tenant_port))
            env = {"PATH": f"{python.parent}:{os.defpath}"}
            self.cluster.images[f"zenmldocker/zenml-server:{version}"] = Runs(command, env)

    def _secret(self, name: str, **values: str) -> None:
        made = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}}
        client = Client(KubeConfig.from_file(self.folder / "kubeconfig"), field_manager="someone")
        client.apply(codecs.from_dict(made | {"stringData": values}))

    # -- what is there

    def pods(self, component: str) -> list[dict]:
        return self.cluster.list("Pod", NAMESPACE, labels=f"app.kubernetes.io/component={component}")

    def log(self, pod: dict, container: str) -> str:
        read = self.cluster.kubelet.log_of(pod, container, previous=False)
        return read().decode()

    def says(self, words: str) -> list[dict]:
        """Agents whose output has these words."""
        running = [one for one in self.pods("agent") if one["status"].get("phase") == "Running"]
        return [one for one in running if words in self.log(one, "agent")]

    def all_logs(self) -> str:
        lines = []
        for one in self.cluster.kubelet.processes.started:
            lines.append(f"== {one.log.name}: {one.poll()}\n{one.output().decode()[-1500:]}")
        return "\n".join(lines)

    def until(self, found, seconds: float = 120):
        """What it answers as soon as it is something."""
        until = time.monotonic() + seconds
        while not (answer := found()):
            assert time.monotonic() < until, self.all_logs()
            time.sleep(0.1)
        return answer

    # -- what people do

    def run(self, *args: str) -> str:
        """As `kubectl exec` in the web's pod."""
        (web,) = self.pods("web")
        container = web["spec"]["containers"][0] | {"args": [*args]}
        container = {name: value for name, value in container.items() if not name.endswith("Probe")}
        spec = {key: value for key, value in web["spec"].items() if key not in ("nodeName", "initContainers")}
        name = f"run-{uuid4().hex[:6]}"
        made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE}}
        self.cluster.create(made | {"spec": spec | {"containers": [container], "restartPolicy": "Never"}})

        def ended():
            pod = self.cluster.get("Pod", name, NAMESPACE)
            return pod["status"].get("phase") in ("Succeeded", "Failed") and pod

        return self.log(self.until(ended), "web")

    def tenant(self) -> dict[str, str]:
        with psycopg.connect(self.database, row_factory=dict_row) as rows:
            return rows.execute("SELECT * FROM tenants_tenant").fetchone()

    def becomes(self, status: str, **more: str) -> None:
        """Wait until the tenant is in this state, and has these values."""
        wanted = {"status": status, **more}

        def reached():
            found = self.tenant()
            return found["status"] == "failed" or {name: found[name] for name in wanted} == wanted

        self.until(reached)
        assert self.tenant()["status"] == status, self.tenant()["state_reason"]


@pytest.fixture
def zenpro(cluster, database, tmp_path, zen_data):
    made = Installation(cluster, database, tmp_path)
    environments = backend(zen_data).environments
    environments.install(OLD)
    made.install({version: environments.python(version) for version in (OLD, VERSION)})
    yield made
    made.ada.http.close()
    made.grace.http.close()


@pytest.fixture
def laptop(zen_data, tmp_path):
    """The unmodified client, on a machine that finds *.localhost as browsers do."""
    folder = tmp_path / "laptop"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(NAMES)
    made = Machine(backend(zen_data).environments.python(VERSION), folder)
    made.env["PYTHONPATH"] = str(folder)
    return made


def test_from_nothing_to_the_end_of_a_tenant_and_past_the_end_of_an_agent(zenpro, cluster, laptop):
    (job,) = cluster.list("Job", NAMESPACE)
    zenpro.until(lambda: cluster.get("Job", job["metadata"]["name"], NAMESPACE)["status"].get("succeeded"))
    zenpro.until(lambda: ready(cluster, "zenpro-web") == 1 and ready(cluster, "zenpro-agent") == 2)
    assert zenpro.ada.http.get("/readyz").json() == {"ready": True, "migrations_waiting": 0}
    (first,) = zenpro.until(lambda: zenpro.says(BEGINS))
    (second,) = zenpro.until(lambda: zenpro.says(WAITS))
    assert first["metadata"]["name"] != second["metadata"]["name"]

    sign_in(zenpro)
    zenpro.ada.send("/o/new/", name="Acme", slug="acme")
    page = zenpro.ada.read("/o/acme/t/new/")
    assert 'value="kubernetes" checked' in page and 'value="here"' not in page
    zenpro.ada.send("/o/acme/t/new/", **new_tenant(page))
    zenpro.becomes("available", reported_version=OLD)

    (server,) = cluster.list("Pod", TENANTS)
    zenpro.until(lambda: "no right is missing in the cluster" in zenpro.log(first, "agent"))
    assert left_behind(cluster) != []
    assert server["metadata"]["name"] in zenpro.ada.read(f"{TENANT}cluster/")

    zenpro.ada.send(f"{TENANT}settings/upgrade/", version=VERSION)
    zenpro.becomes("available", reported_version=VERSION)
    check_people(zenpro, laptop)
    cluster.end_container(first["metadata"]["name"], 137, namespace=NAMESPACE)
    zenpro.until(
        lambda: second["metadata"]["name"] in {one["metadata"]["name"] for one in zenpro.says(BEGINS)}, 15
    )
    check_rest_and_end(zenpro, cluster, laptop)


def check_rest_and_end(zenpro, cluster, laptop) -> None:
    """It is put to rest, comes back with what it had, and leaves nothing behind."""
    zenpro.ada.press(f"{TENANT}settings/", f"{TENANT}deactivate/")
    zenpro.becomes("deactivated")
    zenpro.until(
        lambda: "Running" not in [one["status"].get("phase") for one in cluster.list("Pod", TENANTS)]
    )
    zenpro.ada.press(f"{TENANT}settings/", f"{TENANT}activate/")
    zenpro.becomes("available")
    assert "kept" in laptop.run("secret", "list")
    zenpro.ada.send(f"{TENANT}delete/", confirm="First")
    zenpro.until(lambda: zenpro.tenant()["retired_at"])
    assert left_behind(cluster) == []


def left_behind(cluster) -> list[str]:
    """Names of what belongs to a tenant, whichever."""
    found = [one["metadata"] for kind in BY_KIND for one in cluster.list(kind, TENANTS)]
    return [one["name"] for one in found if naming.TENANT in one.get("labels", {})]


def ready(cluster, name: str) -> int:
    return cluster.get("Deployment", name, NAMESPACE)["status"].get("readyReplicas", 0)


def sign_in(zenpro) -> None:
    link = zenpro.run("sign_in_link").strip().splitlines()[-1]
    assert link.startswith(f"{zenpro.url}/first-sign-in/"), link
    assert zenpro.ada.send(link.removeprefix(zenpro.url)).status_code == 200
    assert "sessionid" in zenpro.ada.http.cookies


def check_people(zenpro, laptop) -> None:
    """Grace is invited with a role, sees what it opens, and works in the tenant from their own machine."""
    tenant = invite(zenpro)
    assert "First" in zenpro.grace.read(TENANT)
    assert zenpro.grace.http.get(f"{TENANT}settings/").status_code == 403
    assert "Grace Hopper" in zenpro.ada.read(f"{TENANT}members/")
    process = laptop.begin("login", "--pro", "--pro-api-url", f"{zenpro.url}/api")
    asked = approval(process)
    about = {"device_id": asked["device"], "user_code": asked["code"]}
    page = f"/devices/verify?{urlencode(about)}"
    zenpro.grace.press(page, "/devices/verify", **about, answer="approve", tenant=tenant)
    output, _ = process.communicate(timeout=180)
    assert process.returncode == 0, output
    assert "default" in laptop.run("stack", "list")
    laptop.run("secret", "create", "kept", "--key=value")
    assert "Insufficient permissions to CREATE" in laptop.run("project", "register", "mine")


def invite(zenpro) -> str:
    """Grace gets an account, and the role Developer in the tenant, whose id this returns."""
    page = "/o/acme/invitations/new/"
    (field,) = re.findall(r'name="(tenant-[0-9a-f-]{36})"', zenpro.ada.read(page))
    told = zenpro.ada.send(page, addresses="grace@example.org", role="member", **{field: "developer"})
    link = re.search(rf"{zenpro.url}(/invite/[\w-]+/)", told.text)[1]
    answered = zenpro.grace.send(link, name="Grace Hopper", password="a long and honest sentence")
    assert "Welcome to Acme." in answered.text
    return field.removeprefix("tenant-")


def new_tenant(page: str) -> dict[str, str]:
    """The form as it comes, with a name."""
    hidden = dict(re.findall(r'name="(access-[A-Z_]+)" value="(\d+)"', page))
    return hidden | {
        "name": "First",
        "slug": "first",
        "where": "kubernetes",
        "version": "other",
        "other_version": OLD,
    }
