"""The small projects of tests/projects on one real tenant: run as a person runs them, and run again through the pages."""

import io
import json
import re
import subprocess
import tarfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import httpx

from tests.tenants.run_templates.test_views_widgets import FORM, Inputs

from .installation import Installation
from .laboratory import Laboratory, let_in

FOLDER = Path(__file__).parents[1] / "projects"
RUN_ID = re.compile(r"/runs/([0-9a-f-]{36})")
ABOUT_DEMO = """
from tenants.models import Tenant
answer = str(Tenant.objects.get(slug='demo').pk)
"""
# One process waits for all of them: starting one for each look costs more than the runs do.
SETTLED = """
import time
from tenants.run_templates.models import TemplateRun
runs = TemplateRun.objects.filter(template__tenant='{tenant}')
deadline = time.monotonic() + 900
while runs.unfinished().exists() and time.monotonic() < deadline:
    time.sleep(0.2)
facts = ('template__name', 'number', 'state', 'state_reason', 'run_name', 'zenml_run_id', 'zenml_snapshot_id',
         'configuration')
answer = [*runs.values(*facts)]
"""


@dataclass(frozen=True)
class Project:
    """A folder of tests/projects, and one value that its re-run changes.

    `field`, `typed`: the input of the form, and what is typed there; `received`: what the steps then say they got.
    """

    name: str
    field: str
    typed: str
    received: dict[str, dict]
    command: tuple[str, ...] = ("run.py",)
    modules: str = ""  # PYTHONPATH
    fails: bool = False  # as it is in the folder
    pipeline: str = ""

    def __str__(self) -> str:
        return self.name

    def packed(self) -> bytes:
        """What a person uploads."""
        place = io.BytesIO()
        with tarfile.open(fileobj=place, mode="w:gz") as archive:
            archive.add(FOLDER / self.name, "", filter=lambda one: None if "__pycache__" in one.name else one)
        return place.getvalue()


@dataclass
class Workshop:
    """One tenant, and people with roles on it, who work in its pages without a browser."""

    lab: Laboratory
    folder: Path
    sessions: dict[str, httpx.Client] = field(default_factory=dict)

    @property
    def base(self) -> str:
        return "/o/demo/t/demo"

    @property
    def project_id(self) -> str:
        return self.lab.about["project"]

    def session(self, role: str) -> httpx.Client:
        """The tenant's own API as that person."""
        if role not in self.sessions:
            self.sessions[role] = self.lab.session(role)
        return self.sessions[role]

    # -- as a data scientist does it

    def record(self, project: Project) -> str:
        """Run it in its folder, which stays as it is; the id of the run."""
        scratch = self.folder / project.name
        scratch.mkdir()
        done = subprocess.run(
            [str(self.lab.program.with_name("python")), *project.command],
            cwd=FOLDER / project.name,
            env=self._environment(scratch) | ({"PYTHONPATH": project.modules} if project.modules else {}),
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        output = done.stdout + done.stderr
        assert bool(done.returncode) == project.fails, f"{project}: {output[-4000:]}"
        return RUN_ID.search(output)[1]

    def _environment(self, scratch: Path) -> dict[str, str]:
        token = self.session("developer").headers["Authorization"].removeprefix("Bearer ")
        return self.lab.computer(scratch).env | {
            "ZENML_STORE_TYPE": "rest",
            "ZENML_STORE_URL": self.lab.url,
            "ZENML_STORE_API_TOKEN": token,
            "ZENML_ACTIVE_PROJECT_ID": self.project_id,
            "ZENML_LOCAL_STORES_PATH": str(self.lab.installed.data / "tenants" / self.lab.pk / "stores"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    # -- pages

    def template(self, project: Project, run: str) -> str:
        """Upload the code, look at it, use it, make the template. The address of the template."""
        http = self.lab.people["developer"].http
        address = f"{self.base}/code/?run={run}&way=upload"
        archive = {"archive": (f"{project}.tar.gz", project.packed())}
        looked = http.post(address, data={"csrfmiddlewaretoken": token_in(http.get(address))}, files=archive)
        assert "Is every step in it?" in looked.text and "is-missing" not in looked.text, looked.text
        create = self.press(looked, "developer", do="use")
        assert "/templates/new/" in str(create.url), create.text
        made = self.press(create, "developer", name=project.name)
        found = re.search(r"/templates/[0-9a-f-]{36}/$", made.url.path)
        assert found, made.text
        return made.url.path

    def form(self, address: str, role: str = "operator") -> httpx.Response:
        page = self.lab.people[role].http.get(address)
        assert page.status_code == 200, page.text
        return page

    def press(self, page: httpx.Response, role: str = "operator", **changed: str) -> httpx.Response:
        """Send the form of a page as a browser without scripts does, with some inputs changed."""
        pairs = [pair for pair in inputs_of(page.text) if pair[0] not in changed]
        content = urlencode([*pairs, *changed.items()])
        headers = {"Content-Type": FORM, "Referer": str(page.url)}
        return self.lab.people[role].http.post(str(page.url), content=content, headers=headers)

    def run_again(self, template: str, role: str = "operator", **changed: str) -> httpx.Response:
        """The form of a template with these inputs changed, sent with its button Run."""
        page = self.form(f"{template}run/", role)
        names = {name for name, _ in inputs_of(page.text)}
        assert names >= changed.keys(), (changed, sorted(names))
        return self.press(page, role, do="run", **changed)

    def settled(self) -> list[dict]:
        """Every re-run of the tenant, once none is under way."""
        return self.lab.installed.ask(SETTLED.format(tenant=self.lab.pk))

    # -- the tenant's own API

    def totals(self) -> tuple[int, int]:
        """How many (runs, snapshots) there are."""
        params = {"project": self.project_id, "size": 1}
        ways = ("/runs", "/pipeline_snapshots")
        return tuple(self.session("developer").get(way, params=params).json()["total"] for way in ways)

    def run(self, run: str) -> dict:
        return self.session("developer").get(f"/runs/{run}").json()

    def steps(self, run: str) -> list[dict]:
        """Everything about its steps; one that was tried twice is there twice."""
        params = {"pipeline_run_id": run, "hydrate": True, "project": self.project_id, "size": 100}
        return self.session("developer").get("/steps", params=params).json()["items"]

    def received(self, run: str) -> dict[str, dict]:
        """What its steps say they were given."""
        told = {step["name"]: step["metadata"]["run_metadata"] for step in self.steps(run)}
        return {name: json.loads(each["received"]) for name, each in told.items() if "received" in each}

    def parameters(self, run: str) -> dict[str, dict]:
        """What ZenML recorded of them."""
        return {step["name"]: step["metadata"]["config"]["parameters"] for step in self.steps(run)}


def open_workshop(installed: Installation, folder: Path) -> Workshop:
    """On the demo's tenant, whose server is there already."""
    lab = Laboratory(installed, "0.98.0", installed.ask(ABOUT_DEMO), {})
    lab.settle("available")
    let_in(lab, "projects", ("developer", "operator", "viewer"))
    return Workshop(lab, folder)


def token_in(page: httpx.Response) -> str:
    return re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)[1]


def inputs_of(html: str) -> list[tuple[str, str]]:
    """What the largest form of a page sends."""
    forms = re.findall(r"<form\b[^>]*>(.*?)</form>", html[html.index("<main") :], re.DOTALL)
    return Inputs(f'<form id="editor">{max(forms, key=len)}</form>').pairs


def seconds_since(moment: float) -> float:
    return time.monotonic() - moment
