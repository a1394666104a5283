"""An organization with one object of everything, and the values of all URL parameters."""

from functools import cached_property
from uuid import uuid4

from factories import (
    make_grant,
    make_key,
    make_member,
    make_org,
    make_role,
    make_service_account,
    make_team,
    make_template,
    make_template_run,
    make_tenant,
)

from orgs.invitations.models import Invitation
from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.models import CodeTry, GitAccess, Preset, PushKey, Sweep
from tenants.webhooks.models import Webhook, WebhookDelivery
from tests.tenants.runs.fakes import churn

SNAPSHOT = churn("snapshot")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMvFVw6gxHMqy6tUsnYAHrPEf0mkCqqLPQUNm0WGFVbc"
# Nothing listens there: who asks the host for its key is told so.
DEPLOY_KEY = {"place": "ssh://git@127.0.0.1:1/churn", "sealed": "-", "public_key": KEY, "host_key": KEY}


class World:
    def __init__(self, name: str):
        self.org = make_org(name)
        self.admin = make_member(self.org, "admin", name="Ada Admin")
        self.person = make_member(self.org, "member", name="Dana Member")
        self.team = make_team(self.org, members=[self.person])
        self.tenant = make_tenant(self.org)
        self.role = make_role(self.org, base="viewer")
        self.grant = make_grant(self.tenant, self.admin, "admin")
        self.robot = make_service_account(self.org)
        self.key = make_key(self.robot)
        self.template = make_template(
            self.tenant,
            pipeline_name="churn",
            snapshot=SNAPSHOT,
            default_configuration=default_configuration(SNAPSHOT),
        )
        self.template_run = make_template_run(self.template, person=self.admin)
        self.code_try = CodeTry.objects.create(code=self.template.code, person=self.admin)
        self.push_key = PushKey.objects.create(tenant=self.tenant, template=self.template, person=self.admin)
        self.git_access = GitAccess.objects.create(tenant=self.tenant, **DEPLOY_KEY)
        self.preset = Preset.objects.create(
            template=self.template, name="Quick check", is_shared=True, created_by=self.admin
        )
        self.sweep = Sweep.objects.create(template=self.template, created_by=self.admin)
        self.webhook = self._webhook()
        self.delivery = WebhookDelivery.objects.create(
            webhook=self.webhook, run=self.template_run, body="{}", state="failed"
        )

    def _webhook(self) -> Webhook:
        """It leads inside, so nothing is ever sent."""
        hook = Webhook(template=self.template, host="127.0.0.1", set_by=self.admin)
        hook.write("https://127.0.0.1/", "whsec_of-the-world")
        hook.save()
        return hook

    @cached_property
    def invitation(self) -> Invitation:
        invitation = Invitation(organization=self.org, email="new@example.org", invited_by=self.admin)
        invitation.token = invitation.renew_token()
        invitation.save()
        return invitation

    @cached_property
    def values(self) -> dict:
        """Parameter name in urls.py -> value that leads to an object of this organization."""
        return {
            "org": self.org.slug,
            "membership": self.person.membership.pk,
            "user": self.person.pk,
            "team": self.team.uuid,
            "role": self.role.pk,
            "invitation": self.invitation.pk,
            "token": self.invitation.token,
            "tenant": self.tenant.slug,
            "name": self.tenant.workspace_name,
            "home": self.tenant.pk,
            "grant": self.grant.pk,
            "account": self.robot.membership.pk,
            "key": self.key.pk,
            "template": self.template.pk,
            "code": self.template.code.pk,
            "code_try": self.code_try.pk,
            "push": self.push_key.pk,
            "access": self.git_access.pk,
            "preset": self.preset.pk,
            "sweep": self.sweep.pk,
            "delivery": self.delivery.pk,
            "number": self.template_run.number,
            "move": uuid4(),
            "run": uuid4(),
            "step": uuid4(),
            "artifact": uuid4(),
            "index": 0,
        }
