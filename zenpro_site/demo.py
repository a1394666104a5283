"""The demo of the first start: an organization, a real tenant, a real run, a template of it.

Every step looks first whether it is done already, so a start that was interrupted carries on.
"""

import contextlib
import os
import subprocess
import tempfile
import time
from pathlib import Path

from django.conf import settings

from orgs.models import Organization
from orgs.organizations.actions import create_organization
from orgs.users.models import Actor
from tenants.hosting import progress
from tenants.hosting.actions import create_tenant, retry
from tenants.hosting.local.configured import machine
from tenants.hosting.local.locations import local_stores_of
from tenants.models import Tenant
from tenants.run_templates.actions import create_template
from tenants.run_templates.code_actions import add_folder
from tenants.run_templates.models import CodeVersion
from tenants.runs.connection import connect
from zenpro_site.common.refusals import Refused

CODE = Path(settings.ZENPRO_SHIPPED_CODE) / "churn"
START_LIMIT = 600.0  # seconds: the first start also downloads ZenML
RUN_LIMIT = 180.0


class DemoFailed(Exception):
    """A step of the demo did not work; the message is for people."""


def organization(by: Actor) -> Organization:
    """The organization Demo."""
    found = Organization.objects.filter(slug="demo").first()
    return found or create_organization(name="Demo", slug="demo", by=by)


def tenant(org: Organization, by: Actor) -> Tenant:
    """The tenant demo, made or found; its server starts in the background, again if it failed before."""
    found = org.tenants.live().filter(slug="demo").first()
    if found and found.status == Tenant.Status.FAILED:
        start_again(found, by)
    return found or create_tenant(
        org=org,
        name="demo",
        slug="demo",
        version=settings.ZENPRO_ZENML_VERSIONS[0],
        description="A tenant for trying things out.",
        by=by,
    )


def start_again(tenant: Tenant, by: Actor) -> None:
    """What Retry on its page does. Nothing when the agent was faster."""
    with contextlib.suppress(Refused):
        retry(tenant=tenant, by=by)


def wait_until_available(tenant: Tenant, say) -> None:
    """Block until the server works; `say(step, seconds)` is called as each step ends. Raises DemoFailed."""
    deadline, told = time.monotonic() + START_LIMIT, set()
    while time.monotonic() < deadline:
        tenant.refresh_from_db()
        for step in tenant.progress:
            if step["state"] == "done" and step["key"] not in told:
                told.add(step["key"])
                say(step["note"] or step["key"], progress.seconds(step))
        if tenant.status == Tenant.Status.AVAILABLE:
            return
        if tenant.status == Tenant.Status.FAILED:
            raise DemoFailed(tenant.state_reason)
        if tenant.desired_state != Tenant.DesiredState.AVAILABLE:
            raise DemoFailed(f"The tenant {tenant.name} is {tenant.get_desired_state_display().lower()}.")
        time.sleep(0.2)
    raise DemoFailed(f"The tenant did not start within {START_LIMIT:.0f} s.")


def first_run(tenant: Tenant, by: Actor) -> str:
    """Id of a run of the example, made by the unmodified client if there is none yet."""
    client = connect(by.person, tenant)
    found = client.runs(tenant.project_id, size=1).items
    if not found:
        _run_example(tenant, client.session())
        found = client.runs(tenant.project_id, size=1).items
    if not found:
        raise DemoFailed("The example ran, but the tenant shows no run of it.")
    return found[0].id


def _run_example(tenant: Tenant, token: str) -> None:
    """`python run.py` in examples/churn, as a data scientist would start it."""
    python = machine().environments.python(tenant.zenml_version)
    with tempfile.TemporaryDirectory(prefix="zenpro-demo-") as scratch:
        try:
            done = subprocess.run(
                [str(python), "run.py"],
                cwd=CODE,
                env=_example_environment(tenant, token, scratch),
                capture_output=True,
                text=True,
                timeout=RUN_LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise DemoFailed(f"The example pipeline did not finish within {RUN_LIMIT:.0f} s.") from error
    if done.returncode:
        raise DemoFailed(f"The example pipeline failed: {(done.stderr or done.stdout).strip()[-400:]}")


def _example_environment(tenant: Tenant, token: str, scratch: str) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "HOME": scratch,
        "ZENML_CONFIG_PATH": scratch,
        "ZENML_STORE_TYPE": "rest",
        "ZENML_STORE_URL": tenant.server_url,
        "ZENML_STORE_API_TOKEN": token,
        "ZENML_ACTIVE_PROJECT_ID": str(tenant.project_id),
        "ZENML_LOCAL_STORES_PATH": str(local_stores_of(tenant)),
        "ZENML_USER_ID": str(tenant.pk),
        "ZENML_ANALYTICS_OPT_IN": "false",
        "ZENML_LOGGING_COLORS_DISABLED": "true",
        "ZENML_ENABLE_RICH_TRACEBACK": "false",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def template(tenant: Tenant, run_id: str, by: Actor):
    """The template of the example's run."""
    found = tenant.templates.listed().filter(name="churn").first()
    return found or create_template(
        tenant=tenant,
        run_id=run_id,
        name="churn",
        description="Which customers are about to leave? Trains and scores a model.",
        code=_code(tenant, run_id, by),
        requirements="",
        by=by,
    )


def _code(tenant: Tenant, run_id: str, by: Actor) -> CodeVersion:
    """The code of the example, which lies beside ours."""
    client = connect(by.person, tenant)
    run = client.run(run_id)
    facts = {"pipeline": run.pipeline, "snapshot": client.snapshot(run.snapshot_id)}
    return add_folder(tenant=tenant, location=str(CODE), by=by, **facts)
