"""The examples of docs/api.md, pasted into a shell one after the other against a running ZenPro."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from factories import make_grant, make_key, make_member, make_org, make_template, make_tenant

from orgs.audit.models import AuditEvent
from tenants.run_templates.document.configuration import default_configuration
from tests.tenants.runs.fakes import churn

pytestmark = pytest.mark.zenml  # real processes, though not ZenML's

GUIDE = (Path(__file__).resolve().parents[3] / "docs" / "api.md").read_text()
BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)


@pytest.mark.django_db(transaction=True)
def test_all_of_it_runs(live_server):
    org = make_org("Acme AI")
    owner = make_member(org, "admin", name="Ada Okafor")
    make_member(org, "member", name="Dana Petrova")
    tenant, snapshot = make_tenant(org, "production"), churn("snapshot")
    make_grant(tenant, owner, "admin")
    make_template(tenant, "weekly", snapshot=snapshot, default_configuration=default_configuration(snapshot))
    blocks = BLOCK.findall(GUIDE)
    assert len(blocks) >= 6
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
        env={**os.environ, "ZENPRO": live_server.url, "ZENPRO_KEY": make_key(owner).secret},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert {row.via for row in AuditEvent.objects.all()} == {"api"}
    told = set(AuditEvent.objects.values_list("action", flat=True))
    assert told >= {
        "team.created",
        "invitation.sent",
        "tenant.created",
        "template_run.cancelled",
        "grant.given",
    }
