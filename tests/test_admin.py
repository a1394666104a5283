import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.apps import apps
from django.contrib import admin
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from factories import (
    PASSWORD,
    make_member,
    make_org,
    make_team,
    make_template,
    make_tenant,
    make_user,
    tenant_role,
)

from orgs.audit.models import AuditEvent
from orgs.domains.models import Departure, OrganizationDomain
from orgs.mails.models import Mail
from orgs.models import Membership, Organization
from orgs.teams.models import Team
from orgs.users.models import Actor, User
from tenants.credentials.models import AccessToken, ApiKey, DeviceLogin
from tenants.hosting.elsewhere.models import Enrollment
from tenants.models import DefaultHome, InvitationGrant, Share, Tenant, TenantAccount, TenantMove
from tenants.run_templates.models import RunTemplate
from tenants.usage.models import Quota, UsageEvent
from tests.guards.walk import PACKAGES
from tests.guards.world import World

REGISTERED = sorted(admin.site._registry, key=lambda model: model._meta.label)
LOOK_ONLY = [
    "audit.AuditEvent",
    "audit.AuditHead",
    "control_plane.AccessToken",
    "control_plane.ApiKey",
    "control_plane.DeviceLogin",
    "usage.UsageEvent",
    "domains.Departure",
    "enrollment.Enrollment",
    "invitations.Invitation",
    "mails.Mail",
    "roles.Role",
    "roles.RolePermission",
    "run_templates.CodeTry",
    "run_templates.CodeVersion",
    "run_templates.PushKey",
    "run_templates.TemplateRun",
    "socialaccount.SocialAccount",
    "tenants.DefaultHome",
    "tenants.InvitationGrant",
    "tenants.Share",
    "tenants.TenantAccount",
    "tenants.TenantGrant",
    "tenants.TenantGroupObjectPermission",
    "tenants.TenantMove",
    "tenants.TenantUserObjectPermission",
    "webhooks.Webhook",
    "webhooks.WebhookDelivery",
]


def label(model) -> str:
    return model._meta.label


def page(model, name, *args) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


def fill(name: str) -> World:
    """An organization with a row in every table."""
    world = World(name)
    world.team.tenant_grants.give(
        tenant=world.tenant, role=tenant_role(world.org, "viewer"), holder=world.team, giver=world.admin
    )
    InvitationGrant.objects.create(
        invitation=world.invitation, tenant=world.tenant, role=tenant_role(world.org, "viewer")
    )
    Share.objects.create(
        tenant=world.tenant,
        membership=world.person.membership,
        resource_type="model",
        resource_id=world.org.pk,
        action="read",
        shared_by=world.admin,
    )
    Mail.objects.create(organization=world.org, to="new@example.org", subject="Invitation", error="550 no")
    TenantAccount.objects.enter(world.tenant, world.person)
    SocialAccount.objects.create(user=world.person, provider="sso", uid=name)
    OrganizationDomain.objects.create(organization=world.org, domain=f"{world.org.slug}.example")
    Departure.objects.create(organization=world.org, user=world.admin)
    for kind, subject in (("user", {"user": world.person}), ("server", {"tenant": world.tenant})):
        AccessToken.objects.create(
            token_hash=f"{name}-{kind}", kind=kind, expires_at=timezone.now(), **subject
        )
    DeviceLogin.objects.create(
        client_id=world.org.pk,
        device_code_hash=f"{name}-device",
        user_code=name[:9],
        state="collected",
        user=world.person,
        tenant=world.tenant,
        host="laptop",
        expires_at=timezone.now(),
    )
    ApiKey.objects.create(user=world.person, label="nightly", prefix="ZENPROKEY_abc", key_hash=f"{name}-key")
    UsageEvent.objects.create(
        organization=world.org, tenant=world.tenant, feature="pipeline", total=1, resource_id=name
    )
    Quota.objects.create(organization=world.org, tenant=world.tenant, feature="model", limit=3)
    DefaultHome.objects.create(organization=world.org, kind="kubernetes")
    now, homes = timezone.now(), {"origin": "local", "destination": "kubernetes"}
    TenantMove.objects.create(tenant=world.tenant, began_at=now, step_since=now, ended_at=now, **homes)
    Enrollment.objects.create(tenant=world.tenant, claimed_url="https://zenml.example.org")
    AuditEvent.objects.record("team.created", world.team, by=Actor(world.admin), organization=world.org)
    return world


@pytest.fixture
def root(superuser, as_user):
    """A client signed in as superuser."""
    return as_user(superuser)


def test_every_model_of_ours_is_registered():
    ours = [
        model
        for config in apps.get_app_configs()
        if config.name.split(".")[0] in PACKAGES
        for model in config.get_models()
    ]
    assert set(ours) <= set(REGISTERED), [label(model) for model in set(ours) - set(REGISTERED)]


def test_every_list_can_be_searched_and_filtered():
    for model in REGISTERED:
        shown = admin.site._registry[model]
        columns = shown.get_list_display(None)
        assert shown.search_fields and shown.list_filter and len(columns) > 1, label(model)


@pytest.mark.thorough
def test_superuser_opens_every_list_search_add_and_change(root):
    fill("Acme AI")
    for model in REGISTERED:
        shown = root.get(page(model, "changelist"))
        assert shown.status_code == 200, label(model)
        assert root.get(page(model, "changelist"), {"q": "acme"}).status_code == 200, label(model)
        may_add = admin.site._registry[model].has_add_permission(shown.wsgi_request)
        assert root.get(page(model, "add")).status_code == (200 if may_add else 403), label(model)
        row = model._default_manager.first()
        if row:
            assert root.get(page(model, "change", row.pk)).status_code == 200, label(model)


@pytest.mark.thorough
def test_every_list_asks_as_often_for_three_as_for_one(root):
    models = [model for model in REGISTERED if label(model) != "account.EmailAddress"]
    counts = []
    for names in (["Acme AI"], ["Globex", "Initech"]):
        for name in names:
            fill(name)
        counts.append({label(model): statements_of(root, model) for model in models})
    assert counts[0] == counts[1]


def statements_of(root, model) -> int:
    root.get(page(model, "changelist"))
    with CaptureQueriesContext(connection) as asked:
        root.get(page(model, "changelist"))
    return len(asked)


def test_rows_to_look_at_cannot_be_added_changed_or_deleted(root):
    world = fill("Acme AI")
    for model in map(apps.get_model, LOOK_ONLY):
        row = model._default_manager.first()
        before = model._default_manager.values().get(pk=row.pk)
        assert root.post(page(model, "add"), {}).status_code == 403, label(model)
        assert root.post(page(model, "change", row.pk), {"role": "admin"}).status_code == 403, label(model)
        assert root.post(page(model, "delete", row.pk), {"post": "yes"}).status_code == 403, label(model)
        assert model._default_manager.values().get(pk=row.pk) == before, label(model)
    assert world.org.audit_events.count() == 1


@pytest.mark.parametrize("flags", [{}, {"is_staff": True}])
def test_those_who_are_not_superusers_are_refused(org, as_user, flags):
    client = as_user(make_member(org, "admin", **flags))
    for address in (reverse("admin:index"), page(User, "changelist")):
        assert client.get(address, follow=True).status_code == 403


def test_anonymous_signs_in_on_our_page_and_comes_back(client):
    response = client.get(reverse("admin:index"), follow=True)
    assert response.redirect_chain[-1][0] == f"/accounts/login/?next={reverse('admin:index')}"


def test_sign_out_ends_on_our_page(root):
    assert root.post(reverse("admin:logout")).url == "/accounts/login/"
    assert "_auth_user_id" not in root.session


def test_password_is_changed_on_our_page(root):
    assert root.get(reverse("admin:password_change")).url == "/accounts/password/change/"


# People


def test_account_is_made_with_a_password_and_a_username_of_its_own(root, client, superuser):
    make_user("eve@elsewhere.org")
    data = {
        "email": "Eve@Example.org",
        "name": "Eve",
        "password1": "a long pass phrase",
        "password2": "a long pass phrase",
    }
    root.post(page(User, "add"), data)
    eve = User.objects.get(email="eve@example.org")
    assert eve.username == "eve-2"
    assert eve.check_password("a long pass phrase")
    event = AuditEvent.objects.get()
    assert (event.action, event.actor, event.via) == ("person.created", superuser, "admin")


@pytest.mark.parametrize(
    "wrong",
    [
        {"email": "TAKEN@example.org"},
        {"password2": "another pass phrase"},
        {"password1": "short", "password2": "short"},
    ],
)
def test_account_with_bad_input_is_not_made(root, wrong):
    make_user("taken@example.org")
    good = {"email": "eve@example.org", "password1": "a long pass phrase", "password2": "a long pass phrase"}
    before = User.objects.count()
    assert root.post(page(User, "add"), good | wrong).status_code == 200
    assert User.objects.count() == before


def change_person(root, person, **values):
    data = {"email": person.email, "name": person.name, "is_active": "on", **values}
    return root.post(
        page(User, "change", person.pk), {k: v for k, v in data.items() if v is not None}, follow=True
    )


def test_last_admin_is_not_deactivated(root, owner):
    response = change_person(root, owner, is_active=None)
    assert "is the last Admin of Acme AI" in response.content.decode()
    owner.refresh_from_db()
    assert owner.is_active
    assert not AuditEvent.objects.exists()


def test_person_is_deactivated_through_the_action(root, owner, member):
    change_person(root, member, is_active=None)
    member.refresh_from_db()
    assert not member.is_active
    assert AuditEvent.objects.get().action == "person.deactivated"


def test_new_flags_of_an_account_are_recorded(root, member):
    change_person(root, member, name="Dana P.", is_superuser="on")
    event = AuditEvent.objects.get()
    assert event.action == "person.changed"
    assert event.after == {"name": "Dana P.", "is_superuser": True}


def test_after_a_change_of_address_the_old_one_is_worth_nothing(root, client, member):
    EmailAddress.objects.create(user=member, email=member.email, verified=True, primary=True)
    old = member.email
    change_person(root, member, email="dana@new.example.org")
    assert list(EmailAddress.objects.values_list("email", "verified", "primary")) == [
        ("dana@new.example.org", True, True)
    ]
    root.logout()
    assert not client.login(email=old, password=PASSWORD)
    client.post("/accounts/password/reset/", {"email": old})
    assert not [message for message in mail.outbox if "/password/reset/key/" in message.body]


def test_superusers_cannot_lock_themselves_out(root, superuser):
    response = change_person(root, superuser, is_staff="on")
    assert "remove these rights from yourself" in response.content.decode()
    superuser.refresh_from_db()
    assert superuser.is_superuser


def test_new_password_is_recorded(root, member):
    data = {"password1": "a new long phrase", "password2": "a new long phrase", "usable_password": "true"}
    root.post(reverse("admin:auth_user_password_change", args=[member.pk]), data)
    member.refresh_from_db()
    assert member.check_password("a new long phrase")
    assert AuditEvent.objects.get().action == "person.password_set"


def test_accounts_are_not_deleted(root, member):
    assert root.post(page(User, "delete", member.pk), {"post": "yes"}).status_code == 403
    data = {"action": "delete_selected", "_selected_action": [member.pk], "post": "yes"}
    root.post(page(User, "changelist"), data)
    assert User.objects.filter(pk=member.pk).exists()


# Organizations, members, teams


def test_organization_is_made_with_roles_and_its_first_admin(root, superuser):
    root.post(page(Organization, "add"), {"name": "Globex", "slug": "globex"})
    organization = Organization.objects.get()
    assert organization.roles.count() == 9
    assert organization.memberships.get().user == superuser
    assert AuditEvent.objects.get().action == "organization.created"


def test_organization_is_renamed_but_keeps_its_slug(root, org):
    root.post(page(Organization, "change", org.pk), {"name": "New", "slug": "new-slug"})
    org.refresh_from_db()
    assert (org.name, org.slug) == ("New", "acme-ai")
    assert AuditEvent.objects.get().action == "organization.updated"


def test_organization_with_a_tenant_is_not_deleted(root, org):
    make_tenant(org)
    response = root.post(page(Organization, "delete", org.pk), {"post": "yes"}, follow=True)
    assert "Delete its tenants first" in response.content.decode()
    assert Organization.objects.exists()


def test_organization_without_tenants_is_deleted(root, org, owner):
    root.post(page(Organization, "delete", org.pk), {"post": "yes"})
    assert not Organization.objects.exists()
    assert AuditEvent.objects.get().action == "organization.deleted"


def test_last_admin_is_not_demoted(root, owner):
    response = root.post(page(Membership, "change", owner.membership.pk), {"role": "member"}, follow=True)
    assert "An organization needs an Admin" in response.content.decode()
    assert Membership.objects.get().role == "admin"
    assert not AuditEvent.objects.exists()


def test_last_admin_is_not_removed(root, owner):
    response = root.post(page(Membership, "delete", owner.membership.pk), {"post": "yes"}, follow=True)
    assert "An organization needs an Admin" in response.content.decode()
    assert Membership.objects.exists()


def test_role_of_a_member_is_changed_through_the_action(root, owner, member):
    root.post(page(Membership, "change", member.membership.pk), {"role": "editor"})
    assert Membership.objects.get(user=member).role == "editor"
    event = AuditEvent.objects.get()
    assert (event.action, event.before, event.after) == (
        "member.role_changed",
        {"role": "member"},
        {"role": "editor"},
    )


def test_member_is_added_and_removed(root, org, owner):
    person = make_user()
    root.post(page(Membership, "add"), {"organization": org.pk, "user": person.pk, "role": "viewer"})
    membership = Membership.objects.get(user=person)
    assert membership.role == "viewer"
    root.post(page(Membership, "delete", membership.pk), {"post": "yes"})
    assert not Membership.objects.filter(user=person).exists()
    assert list(AuditEvent.objects.values_list("action", flat=True)) == ["member.removed", "member.added"]


def test_team_is_made_changed_and_deleted_through_actions(root, org):
    root.post(page(Team, "add"), {"organization": org.pk, "label": "risk", "org_role": ""})
    team = Team.objects.get()
    root.post(page(Team, "change", team.pk), {"label": "fraud", "org_role": "viewer"})
    team.refresh_from_db()
    assert (team.label, team.org_role, team.organization) == ("fraud", "viewer", org)
    root.post(page(Team, "delete", team.pk), {"post": "yes"})
    assert not Team.objects.exists()
    actions = list(AuditEvent.objects.values_list("action", flat=True))
    assert actions == ["team.deleted", "team.updated", "team.created"]


def test_team_name_twice_is_told(root, org):
    make_team(org, "risk")
    response = root.post(page(Team, "add"), {"organization": org.pk, "label": "risk"}, follow=True)
    assert "already" in response.content.decode()
    assert Team.objects.count() == 1


# Tenants


def test_tenant_is_asked_for_through_the_action(root, org):
    data = {"organization": org.pk, "name": "Production", "slug": "production", "zenml_version": "0.98.0"}
    root.post(page(Tenant, "add"), data)
    tenant = Tenant.objects.get()
    assert (tenant.status, tenant.workspace_name) == ("not_initialized", "production")
    assert AuditEvent.objects.get().action == "tenant.created"


def test_state_of_a_tenant_is_not_changed_here(root, org):
    tenant = make_tenant(org, "production")
    root.post(
        page(Tenant, "change", tenant.pk), {"name": "Live", "status": "deleted", "desired_state": "deleted"}
    )
    tenant.refresh_from_db()
    assert (tenant.name, tenant.status, tenant.desired_state) == ("Live", "available", "available")
    assert root.post(page(Tenant, "delete", tenant.pk), {"post": "yes"}).status_code == 403


def test_template_is_renamed_and_deleted_through_actions(root, org):
    template = make_template(make_tenant(org))
    root.post(page(RunTemplate, "change", template.pk), {"name": "nightly"})
    template.refresh_from_db()
    assert template.name == "nightly"
    root.post(page(RunTemplate, "delete", template.pk), {"post": "yes"})
    assert not RunTemplate.objects.exists()
    assert AuditEvent.objects.count() == 2


def test_no_page_shows_a_secret(root):
    world = fill("Acme AI")
    pages = [
        page(Tenant, "change", world.tenant.pk),
        page(type(world.invitation), "change", world.invitation.pk),
        page(AccessToken, "change", AccessToken.objects.first().pk),
        page(DeviceLogin, "change", DeviceLogin.objects.first().pk),
    ]
    secrets = [
        world.tenant.sealed_secrets,
        world.invitation.token_hash,
        "Acme AI-user",
        "Acme AI-server",
        "Acme AI-device",
    ]
    for address in pages:
        body = root.get(address).content.decode()
        assert not [secret for secret in secrets if secret in body], address


def test_an_organization_of_another_world_stays_as_it_is(root, owner):
    other = make_org("Other")
    root.post(page(Membership, "change", owner.membership.pk), {"role": "admin", "organization": other.pk})
    assert Membership.objects.get().organization != other


def test_limits_are_set_through_the_action(root, org, superuser):
    tenant, page_of = make_tenant(org), page(Quota, "add")
    wrong = {"organization": make_org("Else").pk, "tenant": tenant.pk, "feature": "model", "limit": 3}
    assert "does not belong to Else" in root.post(page_of, wrong).content.decode()
    assert not Quota.objects.exists()
    root.post(page_of, {**wrong, "organization": org.pk})
    quota = Quota.objects.get()
    assert (quota.tenant, quota.limit) == (tenant, 3)
    root.post(page(Quota, "change", quota.pk), {"limit": 4})
    root.post(page(Quota, "delete", quota.pk), {"post": "yes"})
    assert not Quota.objects.exists()
    rows = AuditEvent.objects.filter(action="quota.changed").values_list("actor", "after")
    assert [*rows] == [(superuser.pk, {"model": word}) for word in ("no limit", 4, 3)]
