"""What our permissions cost a tenant's own API: the same server, the same data, with and without us.

    .venv/bin/python -m benchmarks.rbac [--pipelines 20]

Starts a ZenPro of its own in a temporary folder with its demo tenant, and beside it two servers on copies of that tenant's
database: a plain one, and one whose control plane says yes at once, which shows what the server itself spends on permissions.
A Viewer, who owns nothing there, asks all in turn; about two minutes.
"""

import argparse
import shutil
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.journey.installation import Installation, free_port, wait_for
from tests.journey.laboratory import ABOUT, PEOPLE, Laboratory, Person
from tests.tenants.hosting.stub_control_plane import SECRET, ControlPlane

ROUNDS = 300
DEMO = "from tenants.models import Tenant\nanswer = str(Tenant.objects.get(slug='demo').pk)"
ENVIRONMENT = """
from tenants.hosting.local.locations import local_spec_of
from tenants.models import Tenant
from tenants.hosting.local.variables import environment
spec = local_spec_of(Tenant.objects.get(pk='{pk}'))
answer = {{'database': str(spec.database), 'variables': environment(spec, {{}})}}
"""


def demo_of(zenpro: Installation) -> Laboratory:
    """The demo tenant with a Developer and a Viewer."""
    pk = zenpro.ask(DEMO)
    made = Laboratory(zenpro, "0.98.0", pk, zenpro.ask(ABOUT.format(pk=pk)))
    asked = PEOPLE.format(pk=pk, name="bench", roles=("developer", "viewer"), password="a long pass phrase")
    for role, facts in zenpro.ask(asked).items():
        made.people[role] = Person(http=None, **facts)
    return made


@dataclass
class Server:
    """The same version on a copy of the tenant's data; it takes the same sessions."""

    lab: Laboratory
    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, change) -> None:
        """`change`: from the variables of the tenant's own server to those of this one."""
        there = self.lab.installed.ask(ENVIRONMENT.format(pk=self.lab.pk))
        self.folder.mkdir()
        shutil.copy(there["database"], self.folder / "zenml.db")
        env = change(there["variables"]) | {
            "HOME": str(self.folder),
            "ZENML_CONFIG_PATH": str(self.folder / "config"),
            "ZENML_STORE_URL": f"sqlite:///{self.folder}/zenml.db",
            "ZENML_SERVER_SERVER_URL": self.url,
        }
        command = ["-m", "uvicorn", "zenml.zen_server.zen_server_api:app", "--port", str(self.port)]
        self.process = subprocess.Popen(
            [str(self.lab.program.with_name("python")), *command],
            env=env,
            cwd=self.folder,
            stdout=(self.folder / "log").open("w"),
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(lambda: answers(self.url), limit=60)
        except AssertionError:
            print((self.folder / "log").read_text()[-3000:])
            raise

    def end(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()


def without_us(variables: dict) -> dict:
    """No control plane at all."""
    kept = {name: value for name, value in variables.items() if not name.startswith("ZENML_SERVER_PRO_")}
    return {name: value for name, value in kept.items() if name != "ZENML_SERVER_DEPLOYMENT_TYPE"}


def asking(plane: ControlPlane):
    """Permissions on, answered at once with yes: what the server itself needs for them, whoever decides."""

    def change(variables: dict) -> dict:
        changed = {f"ZENML_SERVER_PRO_{name}": f"{plane.url}/api" for name in ("API_URL", "OAUTH2_AUDIENCE")}
        return variables | changed | {"ZENML_SERVER_PRO_OAUTH2_CLIENT_SECRET": SECRET}

    return change


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def measure(lab: Laboratory, plain: Server, stub: Server) -> None:
    project = {"project": lab.about["project"]}
    asked = {
        "list pipelines": ("/pipelines", project),
        "list runs": ("/runs", project),
        "current user": ("/current-user", {}),
    }
    with lab.session("viewer") as ours:
        others = [
            httpx.Client(base_url=f"{server.url}/api/v1", headers=ours.headers, trust_env=False, timeout=30)
            for server in (plain, stub)
        ]
        for name, (path, params) in asked.items():
            compare(name, [(http, path, params) for http in (ours, *others)])


def compare(name: str, questions) -> None:
    took = ([], [], [])
    for number in range(ROUNDS + 20):
        for place, (http, path, params) in enumerate(questions):
            began = time.perf_counter()
            answer = http.get(path, params=params)
            spent = (time.perf_counter() - began) * 1000
            assert answer.status_code == 200, answer.text
            if number >= 20:
                took[place].append(spent)
    ours, plain, stub = map(statistics.median, took)
    print(
        f"{name:<16} {ours:7.2f} ms with us, {plain:7.2f} without permissions ({ours / plain - 1:+.1%}),"
        f" {stub:7.2f} with a control plane that says yes at once ({ours / stub - 1:+.1%})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pipelines", type=int, default=20, help="how many a page of them shows, 20 at most")
    pipelines = parser.parse_args().pipelines
    with tempfile.TemporaryDirectory(prefix="zenpro-bench-") as name:
        folder = Path(name)
        zenpro = Installation(folder / "data")
        zenpro.data.mkdir()
        plane, servers = ControlPlane(), []
        try:
            zenpro.up()
            lab = demo_of(zenpro)
            with lab.session("developer") as developer:
                for number in range(pipelines):
                    body = {"name": f"pipeline-{number}", "project": lab.about["project"]}
                    developer.post("/pipelines", json=body).raise_for_status()
            with lab.session("viewer"):
                pass  # the first sign-in creates their account, which the copy must have
            servers = [Server(lab, folder / "plain"), Server(lab, folder / "stub")]
            for server, change in zip(servers, (without_us, asking(plane)), strict=True):
                server.start(change)
            measure(lab, *servers)
        finally:
            for server in servers:
                server.end()
            plane.close()
            zenpro.close()


if __name__ == "__main__":
    main()
