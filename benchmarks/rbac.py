"""What our permissions cost a tenant's own API: the same server, the same data, with and without us.

    .venv/bin/python -m benchmarks.rbac

Starts a ZenPro of its own in a temporary folder with its demo tenant, and beside it a plain server on a copy of that
tenant's database. A Viewer, who owns nothing there, asks both in turn; about two minutes.
"""

import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import httpx

from tests.journey.installation import Installation, free_port, wait_for
from tests.journey.laboratory import ABOUT, PEOPLE, Laboratory, Person

ROUNDS = 300
PIPELINES = 20
DEMO = "from tenants.models import Tenant\nanswer = str(Tenant.objects.get(slug='demo').pk)"
SECRETS = (
    "from tenants.models import Tenant\nfrom tenants.hosting import spec_of\n"
    "spec = spec_of(Tenant.objects.get(pk='{pk}'))\n"
    "answer = {{'jwt': spec.jwt_secret, 'database': str(spec.database), 'encryption': spec.encryption_key}}"
)


def demo_of(zenpro: Installation) -> Laboratory:
    """The demo tenant with a Developer and a Viewer."""
    pk = zenpro.ask(DEMO)
    made = Laboratory(zenpro, "0.98.0", pk, zenpro.ask(ABOUT.format(pk=pk)))
    asked = PEOPLE.format(pk=pk, name="bench", roles=("developer", "viewer"), password="a long pass phrase")
    for role, facts in zenpro.ask(asked).items():
        made.people[role] = Person(http=None, **facts)
    return made


def plain_server(lab: Laboratory, folder: Path, port: int) -> subprocess.Popen:
    """The same version on a copy of the data, without a control plane: it takes the same sessions."""
    secrets = lab.installed.ask(SECRETS.format(pk=lab.pk))
    shutil.copy(secrets["database"], folder / "zenml.db")
    env = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "ZENML_CONFIG_PATH": str(folder / "config"),
        "ZENML_STORE_TYPE": "sql",
        "ZENML_STORE_URL": f"sqlite:///{folder}/zenml.db",
        "ZENML_SECRETS_STORE_TYPE": "sql",
        "ZENML_SECRETS_STORE_ENCRYPTION_KEY": secrets["encryption"],
        "ZENML_SERVER_JWT_SECRET_KEY": secrets["jwt"],
        "ZENML_ANALYTICS_OPT_IN": "false",
    }
    command = ["-m", "uvicorn", "zenml.zen_server.zen_server_api:app", "--port", str(port)]
    log = (folder / "plain.log").open("w")
    return subprocess.Popen(
        [str(lab.program.with_name("python")), *command],
        env=env,
        cwd=folder,
        stdout=log,
        stderr=subprocess.STDOUT,
    )


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def measure(lab: Laboratory, plain_url: str) -> None:
    project = {"project": lab.about["project"]}
    asked = {
        "list pipelines": ("/pipelines", project),
        "list runs": ("/runs", project),
        "current user": ("/current-user", {}),
    }
    with lab.session("viewer") as ours:
        plain = httpx.Client(
            base_url=f"{plain_url}/api/v1", headers=ours.headers, trust_env=False, timeout=30
        )
        with plain:
            for name, (path, params) in asked.items():
                compare(name, [(ours, path, params), (plain, path, params)])


def compare(name: str, questions) -> None:
    took = ([], [])
    for number in range(ROUNDS + 20):
        for place, (http, path, params) in enumerate(questions):
            began = time.perf_counter()
            answer = http.get(path, params=params)
            spent = (time.perf_counter() - began) * 1000
            assert answer.status_code == 200, answer.text
            if number >= 20:
                took[place].append(spent)
    ours, plain = map(statistics.median, took)
    print(
        f"{name:<16} {ours:7.2f} ms with us, {plain:7.2f} ms without, {ours / plain - 1:+7.1%} (target +25 %)"
    )


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="zenpro-bench-") as name:
        folder = Path(name)
        zenpro = Installation(folder / "data")
        zenpro.data.mkdir()
        plain = None
        try:
            zenpro.up()
            lab = demo_of(zenpro)
            with lab.session("developer") as developer:
                for number in range(PIPELINES):
                    body = {"name": f"pipeline-{number}", "project": lab.about["project"]}
                    developer.post("/pipelines", json=body).raise_for_status()
            with lab.session("viewer"):
                pass  # the first sign-in makes her account, which the copy must have
            port = free_port()
            plain = plain_server(lab, folder, port)
            wait_for(lambda: answers(f"http://127.0.0.1:{port}"), limit=120)
            measure(lab, f"http://127.0.0.1:{port}")
        finally:
            if plain:
                plain.kill()
                plain.wait()
            zenpro.close()


if __name__ == "__main__":
    main()
