"""Attacks on a real installation, as people with roles on a tenant and as code of theirs: what is out of reach stays so.

Each of these was a way to everything before there were walls (docs/security.md).
"""

import json
import os
from pathlib import Path
from uuid import uuid4

import pytest

from tenants.hosting.local.keep import family, holds_ports
from tests.tenants.hosting.attacks import downloaded, read_through

from .installation import ROOT, free_port, wait_for
from .laboratory import make_laboratory

pytestmark = [pytest.mark.zenml, pytest.mark.enable_socket]
ROLES = ("editor", "developer", "operator")
EVIL = """
import os
with open({mark!r}, "a") as file:
    file.write("loaded by " + str(os.getpid()))
class Evil: pass
"""


@pytest.fixture(scope="module")
def lab(installed):
    return make_laboratory(installed, "lab-walls", "0.98.0", (*ROLES, "stranger"))


@pytest.fixture(scope="module")
def editor(lab):
    return lab.session("editor")


@pytest.fixture(scope="module")
def project(lab):
    return lab.about["project"]


@pytest.fixture(scope="module")
def folder(installed, lab):
    return installed.data / "tenants" / lab.pk


def test_a_file_of_the_tenants_own_stores_is_shown(lab, editor, folder, project):
    """So that what follows fails for the wall's sake and not for a mistake in the attack."""
    (folder / "stores" / "mine.html").write_text("this is mine")
    assert read_through(editor, project, str(folder / "stores" / "mine.html")) == "this is mine"


@pytest.mark.parametrize(
    "path",
    [
        "keys.json",
        "zenpro.sqlite3",
        "tenants/{other}/zenml.db",
        "supervisor/conf.d/tenant-{own}.json",
        "supervisor/password",
        "logs/web.log",
        "run/supervisord.pid",
    ],
)
def test_an_editor_reads_no_file_of_ours_through_the_tenants_api(installed, lab, editor, path, project):
    other = installed.ask(
        "from tenants.models import Tenant\nanswer = str(Tenant.objects.get(slug='demo').pk)"
    )
    target = installed.data / path.format(other=other, own=lab.pk)
    assert target.exists()
    assert read_through(editor, project, str(target)) == ""


@pytest.mark.parametrize("path", ["/etc/shadow", "/root/.bashrc", "{home}/.profile"])
def test_an_editor_reads_no_file_of_the_machine(installed, lab, editor, path, project):
    assert read_through(editor, project, path.format(home=installed.data / "home")) == ""


@pytest.mark.parametrize("folder_name", ["supervisor", "logs", "run", "tenants"])
def test_an_editor_downloads_no_folder_of_ours(installed, lab, editor, project, folder_name):
    other = installed.ask(
        "from tenants.models import Tenant\nanswer = str(Tenant.objects.get(slug='demo').pk)"
    )
    names = "\n".join(downloaded(editor, project, str(installed.data / folder_name)))
    assert not any(word in names for word in (".conf", ".log", ".pid", "password", f"{other}/"))


@pytest.mark.parametrize("process", ["self", "1", "2"])
@pytest.mark.parametrize("file", ["environ", "cmdline", "mounts"])
def test_a_servers_secrets_stand_in_no_file_of_its_own(lab, editor, installed, process, file, project):
    secrets = installed.ask(
        "from tenants.models import Tenant\n"
        f"answer = list(Tenant.objects.get(pk='{lab.pk}').opened_secrets().values())"
    )
    shown = read_through(editor, project, f"/proc/{process}/{file}")
    assert len(secrets) == 3
    assert not any(secret in shown for secret in secrets)


def test_nothing_in_a_tenants_folder_holds_its_secrets(lab, installed, folder):
    secrets = installed.ask(
        "from tenants.models import Tenant\n"
        f"answer = list(Tenant.objects.get(pk='{lab.pk}').opened_secrets().values())"
    )
    found = [
        str(path)
        for path in folder.rglob("*")
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets)
    ]
    assert found == []


@pytest.mark.parametrize("module", ["stores.evil", "evil", "config.evil", "tmp.evil"])
def test_a_flavor_runs_no_code_in_the_server(lab, editor, folder, module):
    """A run may write into the stores; the server must import nothing from there."""
    mark = folder / "stores" / f"mark-{uuid4().hex}"
    for place in ("stores", ".", "config", "tmp"):
        (folder / place / "evil.py").write_text(EVIL.format(mark=str(mark)))
    flavor = {"name": f"f-{uuid4().hex[:8]}", "type": "orchestrator", "source": f"{module}.Evil"}
    editor.post("/flavors", json=flavor | {"config_schema": {}, "is_custom": True, "integration": "custom"})
    editor.post(
        "/components",
        json={"name": uuid4().hex, "type": "orchestrator", "flavor": flavor["name"], "configuration": {}},
    )
    assert not mark.exists()


# -- code of a template

HOSTILE = ROOT / "tests" / "data" / "hostile_code.py"
HOSTILE_RUN = """
import shutil, tempfile
from pathlib import Path
from django.conf import settings
from orgs.models import Membership
from orgs.users.models import Actor
from tenants.access.actions import give_grant
from tenants.run_templates.actions import change_code, queue_run
from tenants.run_templates.code_actions import add_folder
from tenants.run_templates.models import RunTemplate
template = RunTemplate.objects.get(name='churn')
source = Path(tempfile.mkdtemp()) / 'churn'
shutil.copytree('{example}', source)
with open(source / 'churn' / 'data.py', 'a') as module:
    module.write(Path('{attack}').read_text())
settings.ZENPRO_CODE_ROOTS = [str(source.parent)]
by = Actor(template.created_by)
facts = {{'tenant': template.tenant, 'pipeline': template.pipeline_name, 'snapshot': template.snapshot}}
change_code(template=template, code=add_folder(**facts, location=str(source), by=by), by=by)
member = Membership.objects.get(pk='{membership}')
role = member.organization.roles.tenant_level().get(slug='operator')
give_grant(tenant=template.tenant, role=role, holder=member, by=by)
answer = str(queue_run(template=template, configuration={{}}, by=Actor(member.user)).pk)
"""


def test_code_of_a_template_reaches_nothing_and_leaves_nothing(installed, lab, tmp_path):
    """A real re-run, asked for by an Operator, of code that attacks the machine as soon as it is loaded."""
    demo = installed.ask(
        "from tenants.models import Tenant\nanswer = str(Tenant.objects.get(slug='demo').pk)"
    )
    mark, attack = uuid4().hex, tmp_path / "attack.py"
    text = HOSTILE.read_text().replace("@DATA@", str(installed.data)).replace("@TENANT@", demo)
    port = free_port() if holds_ports() else 0  # 0: this kernel cannot hold them, as `zenpro up` says
    attack.write_text("\n" + text.replace("@MARK@", mark).replace("@PORT@", str(port)))
    operator = lab.people["operator"].membership
    about = {"example": ROOT / "examples" / "churn", "attack": attack, "membership": operator}
    run = installed.ask(HOSTILE_RUN.format(**about))
    ended = wait_for(lambda: ended_run(installed, run), limit=300, every=1)
    output = (installed.data / "runs" / run / "output.log").read_text(errors="replace")
    assert "GOT " in output, (ended, output[-3000:])
    assert json.loads(output.split("GOT ")[1].split(" END")[0]) == []
    assert ended["state"] == "completed", ended
    assert strays(mark) == []


def ended_run(installed, pk):
    found = installed.ask(
        "from tenants.run_templates.models import TemplateRun\n"
        f"run = TemplateRun.objects.get(pk='{pk}')\n"
        "answer = {'state': run.state, 'reason': run.state_reason, 'ended': run.has_ended}"
    )
    return found if found["ended"] else None


def strays(mark):
    """Processes of this machine that the attack left behind."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as line:
                if f"stray-{mark}".encode() in line.read():
                    found.append(pid)
        except OSError:
            continue
    return found


def test_the_server_runs_in_a_box(installed, lab):
    """The process under the supervisor is the keeper; ZenML's server is behind it, without any right of ours."""
    keeper = installed.program_pid(f"tenant-{lab.pk}")
    inner = family(keeper)[-1]
    status = Path(f"/proc/{inner}/status").read_text()
    assert "NoNewPrivs:\t1\n" in status
    assert "CapBnd:\t0000000000000000\n" in status or os.geteuid() != 0
    if os.environ.get("ZENPRO_ISOLATION") != "landlock":
        for kind in ("user", "pid", "mnt", "ipc"):
            assert os.readlink(f"/proc/{inner}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}")
