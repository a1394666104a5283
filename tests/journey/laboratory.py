"""Tenants to try the protocol on: a server of one version, people with roles on it, and their computers."""

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from .installation import ROOT, Installation, wait_for
from .test_cli import Computer, url_in

PASSWORD = "a long and honest sentence"
ROLES = ("admin", "developer", "viewer")
MAKE = """
from orgs.models import Organization
from orgs.users.models import Actor
from tenants.hosting.actions import create_tenant
org = Organization.objects.get(slug='demo')
by = Actor(org.tenants.get(slug='demo').created_by)
answer = str(create_tenant(org=org, name='{name}', slug='{name}', version='{version}', by=by).pk)
"""
ABOUT = """
from tenants.models import Tenant
from tenants.hosting.backends import spec_of
t = Tenant.objects.get(pk='{pk}')
spec = spec_of(t)
answer = {{'status': t.status, 'reason': t.state_reason, 'url': t.server_url, 'name': t.workspace_name,
           'project': str(t.project_id), 'secret': spec.oauth_secret, 'organization': str(t.organization_id)}}
"""
PEOPLE = """
from datetime import timedelta
from orgs.models import Membership
from orgs.users.models import Actor, User
from tenants.access.actions import give_grant
from tenants.credentials.models import AccessToken
from tenants.models import Tenant
t = Tenant.objects.get(pk='{pk}')
org, by, answer = t.organization, Actor(t.created_by), {{}}
for slug in {roles!r}:
    user = User.objects.create_user(f'{{slug}}@{name}.example.org', '{password}', name=slug.title())
    member = Membership.objects.create(organization=org, user=user)
    if slug != 'stranger':
        give_grant(tenant=t, role=org.roles.tenant_level().get(slug=slug), holder=member, by=by)
    token = AccessToken.objects.issue(kind='user', user=user, lifetime=timedelta(hours=2))
    answer[slug] = {{'id': str(user.pk), 'email': user.email, 'token': token, 'membership': str(member.pk)}}
"""


@dataclass
class Person:
    """A member of the organization, with a session in the dashboard."""

    id: str
    email: str
    token: str
    membership: str
    http: httpx.Client = field(repr=False)

    def sign_in(self) -> None:
        self.send("/accounts/login/", login=self.email, password=PASSWORD)
        assert "sessionid" in self.http.cookies

    def send(self, path: str, **data) -> httpx.Response:
        """Open a page with a form and send it."""
        page = self.http.get(path)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)[1]
        return self.http.post(str(page.url), data={"csrfmiddlewaretoken": token, **data})

    def answer(self, url: str, **data) -> None:
        """Press Approve or Deny on the page that the client showed."""
        query = dict(httpx.URL(url).params)
        about = {key: query[key] for key in ("device_id", "user_code")}
        sent = self.send(url, **about, **data)
        assert sent.status_code == 200, sent.text


@dataclass
class Laboratory:
    """One tenant with a running server. `people` by role."""

    installed: Installation
    version: str
    pk: str
    about: dict
    people: dict[str, Person] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.about["url"]

    @property
    def name(self) -> str:
        return self.about["name"]

    @property
    def api(self) -> str:
        return f"{self.installed.url}/api"

    @property
    def is_old(self) -> bool:
        """Of the time when a workspace was called tenant and there were no projects."""
        return self.version.startswith("0.7")

    @property
    def program(self) -> Path:
        return self.installed.data / "envs" / f"server-{self.version}" / "bin" / "zenml"

    def computer(self, folder: Path) -> Computer:
        """A new machine with the client of this version."""
        made = Computer(self.installed, folder)
        made.zenml = self.program
        return made

    def signed_in(self, folder: Path, role: str) -> Computer:
        """A new machine on which this person has logged in."""
        computer = self.computer(folder)
        process = computer.begin("login", "--pro", "--pro-api-url", self.api)
        self.people[role].answer(url_in(process), answer="approve", tenant=self.pk)
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, output
        return computer

    def session(self, role: str) -> httpx.Client:
        """The tenant's own API as that person."""
        body = {"grant_type": "zenml-external"}
        headers = {"Authorization": f"Bearer {self.people[role].token}"}
        answer = httpx.post(
            f"{self.url}/api/v1/login", data=body, headers=headers, trust_env=False, timeout=60
        )
        assert answer.status_code == 200, answer.text
        bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=bearer, trust_env=False, timeout=60)

    def server_token(self) -> str:
        """A token as this tenant's server gets one."""
        body = {
            "grant_type": "client_credentials",
            "client_id": self.pk,
            "client_secret": self.about["secret"],
        }
        answer = httpx.post(
            f"{self.api}/auth/login", data=body | {"audience": self.api}, trust_env=False, timeout=60
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    def settle(self, *states: str) -> dict:
        """Wait until the tenant is in one of these states."""

        def reached():
            self.about = self.installed.ask(ABOUT.format(pk=self.pk))
            assert self.about["status"] != "failed" or "failed" in states, self.about
            return self.about if self.about["status"] in states else None

        return wait_for(reached, every=1)


def make_laboratory(
    installed: Installation, name: str, version: str, roles=(*ROLES, "stranger")
) -> Laboratory:
    """Create the tenant as the page does, wait for its server, and give people their roles."""
    pk = installed.ask(MAKE.format(name=name, version=version))
    made = Laboratory(installed, version, pk, {})
    made.settle("available")
    let_in(made, name, roles)
    return made


def let_in(lab: Laboratory, name: str, roles) -> None:
    """People of these roles, each with a session; `name`: in their addresses."""
    asked = PEOPLE.format(pk=lab.pk, name=name, roles=tuple(roles), password=PASSWORD)
    for role, facts in lab.installed.ask(asked).items():
        http = httpx.Client(base_url=lab.installed.url, follow_redirects=True, trust_env=False, timeout=60)
        lab.people[role] = Person(http=http, **facts)
        lab.people[role].sign_in()


def run_churn(computer: Computer, **more) -> subprocess.CompletedProcess:
    """The example pipeline as a script on that machine."""
    return subprocess.run(
        [str(computer.zenml.with_name("python")), "run.py"],
        cwd=ROOT / "examples" / "churn",
        env=computer.env | more,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


def start_server(lab: Laboratory, folder: Path, port: int, **changed: str) -> subprocess.Popen:
    """A second server with this tenant's variables, some of them changed, and an empty database."""
    variables = lab.installed.ask(
        "from tenants.models import Tenant\nfrom tenants.hosting.local.locations import local_spec_of\n"
        "from tenants.hosting.local.variables import process_variables\n"
        "from tenants.hosting.pro_variables import pro_variables, server_variables\n"
        f"spec = local_spec_of(Tenant.objects.get(pk='{lab.pk}'))\n"
        "answer = process_variables(spec) | server_variables(spec) | pro_variables(spec)"
    )
    own = {
        "HOME": str(folder),
        "PATH": os.defpath,
        "ZENML_CONFIG_PATH": str(folder / "config"),
        "ZENML_STORE_URL": f"sqlite:///{folder}/zenml.db",
        "ZENML_SERVER_SERVER_URL": f"http://127.0.0.1:{port}",
    }
    command = ["-m", "uvicorn", "zenml.zen_server.zen_server_api:app", "--port", str(port)]
    return subprocess.Popen(
        [str(lab.program.with_name("python")), *command],
        env=variables | own | changed,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
