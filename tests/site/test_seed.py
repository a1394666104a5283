import pytest
from django.core.management import CommandError, call_command
from factories import make_user

from orgs.audit.models import AuditEvent
from orgs.audit.verify import verify
from orgs.models import Organization
from orgs.users.models import User
from tenants.agent.tenant_loop import TenantLoop
from tenants.hosting.local.hosting import LocalHosting
from tenants.models import Tenant, TenantGrant, TenantGroupObjectPermission, TenantUserObjectPermission

SMALL = {"members": 40, "teams": 4, "tenants": 6}


@pytest.fixture
def run(capsys):
    """run(**options): what the command says."""

    def call(**options):
        call_command("seed", **{**SMALL, **options})
        return capsys.readouterr().out

    return call


# Refusals


def test_without_a_superuser_nothing_is_made(db, run):
    with pytest.raises(CommandError, match="no superuser"):
        run()
    assert not Organization.objects.exists()


def test_where_people_work_it_wants_a_yes(superuser, run):
    make_user()
    with pytest.raises(CommandError, match="2 people have accounts here"):
        run()
    assert not Organization.objects.exists()
    run(yes=True)
    assert Organization.objects.exists()


def test_unknown_admin_is_told(superuser, run):
    with pytest.raises(CommandError, match="nobody@example.org"):
        run(admin="nobody@example.org")


def test_sizes_have_limits(superuser):
    with pytest.raises(CommandError, match="members"):
        call_command("seed", "--members", "-1")


# What it makes


def test_organization_is_complete(superuser, run):
    said = run(organization="Large")
    org = Organization.objects.get(name="Large")
    assert "Large is ready" in said and "root@example.org is its Admin: /o/large/" in said
    assert org.memberships.filter(user__is_service_account=False).count() == 41  # and the superuser
    assert org.memberships.get(user=superuser).role == "admin"
    assert set(org.memberships.values_list("role", flat=True)) == {"admin", "viewer", "member"}
    assert (org.teams.count(), org.tenants.count(), org.roles.count()) == (4, 6, 11)
    assert all(team.user_set.count() >= 10 for team in org.teams.all())
    assert org.invitations.open().count() == 24


def test_nobody_of_it_can_sign_in_or_gets_mail(superuser, run):
    run()
    made = User.objects.exclude(pk=superuser.pk)
    assert not any(person.has_usable_password() for person in made)
    assert all(person.email.endswith(".invalid") for person in made)


def test_guardians_rows_follow_from_the_grants(superuser, run):
    run()
    org = Organization.objects.get()
    before = rows_of_guardian()
    assert all(before)
    TenantUserObjectPermission.objects.all().delete()
    TenantGroupObjectPermission.objects.all().delete()
    for grant in TenantGrant.objects.filter(tenant__organization=org).select_related("team", "membership"):
        TenantGrant.objects.sync(grant.tenant, grant.holder)
    assert rows_of_guardian() == before


def rows_of_guardian():
    return [
        set(model.objects.values_list("content_object", holder, "permission"))
        for model, holder in (
            (TenantUserObjectPermission, "membership"),
            (TenantGroupObjectPermission, "team"),
        )
    ]


def test_audit_log_says_it_once_and_holds(superuser, run):
    run()
    events = AuditEvent.objects.order_by("id").values_list("action", "actor", "via", "after")
    assert [event[0] for event in events] == ["organization.created", "organization.seeded"]
    assert events[1][1:] == (superuser.pk, "command", SMALL)
    assert verify().broken == ""


def test_the_agent_leaves_its_tenants_alone(superuser, run):
    run()
    before = list(Tenant.objects.order_by("pk").values("status", "state_reason", "port", "progress"))
    agent = TenantLoop({Tenant.Kind.LOCAL: LocalHosting(object())})  # any call of a server would fail
    for tenant in Tenant.objects.all():
        agent.run_pass(tenant.pk)
    assert list(Tenant.objects.order_by("pk").values("status", "state_reason", "port", "progress")) == before


def test_again_makes_another_one_with_a_number(superuser, run):
    run()
    run(members=0, teams=0, tenants=0)
    assert list(Organization.objects.order_by("name").values_list("name", "slug")) == [
        ("Seeded", "seeded"),
        ("Seeded 2", "seeded-2"),
    ]
    assert Organization.objects.get(slug="seeded-2").memberships.filter(user=superuser).exists()
