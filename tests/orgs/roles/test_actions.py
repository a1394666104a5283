from datetime import timedelta

import pytest
from django.utils import timezone
from factories import make_grant, make_member, make_org, make_role, make_team, make_tenant, tenant_role

from orgs.audit.models import AuditEvent
from orgs.invitations.models import Invitation
from orgs.roles import actions
from orgs.roles.models import Role
from orgs.users.models import Actor
from tenants.access.decisions import allowed
from tenants.access.gate import tenant_permissions_of
from tenants.models import InvitationGrant, TenantGrant
from zenpro_site.common.refusals import Refused

KEEPER = {"role:view", "role:manage", "organization:view"}


@pytest.fixture
def keeper(org):
    """Can manage roles, and nothing else."""
    make_role(org, "Keeper", level="organization", rights=KEEPER)
    return make_member(org, "keeper")


def fresh(role) -> Role:
    return Role.objects.get(pk=role.pk)


def save(role, rights, person, version=None):
    return actions.change_rights(
        role=role, rights=rights, version=version or fresh(role).version, by=Actor(person)
    )


def create(org, person, level="tenant", name="New", **about):
    return actions.create_role(organization=org, level=level, name=name, by=Actor(person), **about)


def invite(org, role="member", email="new@example.org"):
    invitation = Invitation(organization=org, email=email, role=role)
    invitation.renew_token()
    invitation.save()
    return invitation


def rows() -> int:
    return AuditEvent.objects.count()


# Refusals


@pytest.mark.parametrize("name", ["Admin", "admin"])
def test_a_taken_name_is_refused(org, owner, name):
    with pytest.raises(Refused, match="already"):
        create(org, owner, name=name)
    assert rows() == 0


@pytest.mark.parametrize("right", ["model:fly", "dragon:read", "organization:view", "model", ""])
def test_a_right_that_does_not_exist_is_refused(org, owner, reviewer, right):
    before = reviewer.rights
    with pytest.raises(Refused, match="no such right"):
        save(reviewer, before | {right}, owner)
    with pytest.raises(Refused, match="no such right"):
        create(org, owner, rights={right})
    assert fresh(reviewer).rights == before


def test_a_base_that_is_not_predefined_here_is_refused(org, owner, reviewer):
    elsewhere = tenant_role(make_org(), "viewer")
    other_level = org.roles.organization_level().get(slug="viewer")
    for base in (elsewhere, other_level, reviewer):
        with pytest.raises(Refused, match="predefined"):
            create(org, owner, base=base)


def test_predefined_roles_stay_as_they_are(org, owner):
    role = tenant_role(org, "viewer")
    for attempt in (
        lambda: save(role, {"model:update"}, owner),
        lambda: actions.update_role(role=role, name="Guest", description="", by=Actor(owner)),
        lambda: actions.delete_role(role=role, replacement=tenant_role(org, "editor"), by=Actor(owner)),
    ):
        with pytest.raises(Refused, match="predefined"):
            attempt()
    assert rows() == 0


def test_no_one_can_create_a_stronger_organization_role(org, keeper):
    for rights in ({"tenant:manage_all"}, {"member:manage"}):
        with pytest.raises(Refused, match="more than you"):
            create(org, keeper, level="organization", rights=rights)
    with pytest.raises(Refused, match="more than you"):
        save(org.roles.get(slug="keeper"), KEEPER | {"member:manage"}, keeper)


def test_no_one_can_touch_a_stronger_organization_role(org, keeper, recruiter):
    with pytest.raises(Refused, match="more than you"):
        save(recruiter, KEEPER, keeper)
    with pytest.raises(Refused, match="more than you"):
        actions.delete_role(role=recruiter, by=Actor(keeper))
    assert fresh(recruiter).rights == recruiter.rights


def test_no_one_can_replace_their_role_by_a_stronger_one(org, keeper):
    with pytest.raises(Refused, match="more than you"):
        actions.delete_role(
            role=org.roles.get(slug="keeper"), replacement=org.roles.organization_level()[0], by=Actor(keeper)
        )
    keeper.membership.refresh_from_db()
    assert keeper.membership.role == "keeper"


@pytest.mark.parametrize("through_team", [False, True])
def test_no_one_can_give_themselves_more_on_tenants(org, keeper, reviewer, through_team):
    make_grant(make_tenant(org), make_team(org, members=[keeper]) if through_team else keeper, reviewer.slug)
    with pytest.raises(Refused, match="yourself"):
        save(reviewer, reviewer.rights | {"model:delete"}, keeper)
    with pytest.raises(Refused, match="yourself"):
        actions.delete_role(role=reviewer, replacement=tenant_role(org, "admin"), by=Actor(keeper))
    save(reviewer, reviewer.inherited, keeper)
    assert "model:update" not in fresh(reviewer).rights


def test_an_old_version_is_refused(owner, reviewer):
    seen = reviewer.version
    save(reviewer, reviewer.rights | {"model:delete"}, owner)
    with pytest.raises(actions.Outdated):
        save(reviewer, reviewer.rights | {"model:share"}, owner, seen)
    assert "model:share" not in fresh(reviewer).rights
    assert rows() == 1


def test_a_role_in_use_is_not_deleted_without_replacement(org, owner, reviewer, recruiter):
    make_grant(make_tenant(org), owner, reviewer.slug)
    invite(org, recruiter.slug)
    for role in (reviewer, recruiter):
        with pytest.raises(Refused, match="in use"):
            actions.delete_role(role=role, by=Actor(owner))
    assert Role.objects.filter(pk__in=[reviewer.pk, recruiter.pk]).count() == 2


def test_a_promised_role_is_in_use(org, owner, reviewer):
    InvitationGrant.objects.create(invitation=invite(org), tenant=make_tenant(org), role=reviewer)
    with pytest.raises(Refused, match="in use"):
        actions.delete_role(role=reviewer, by=Actor(owner))


def test_a_replacement_is_another_role_of_the_level(org, owner, reviewer):
    elsewhere = tenant_role(make_org(), "viewer")
    other_level = org.roles.organization_level().get(slug="viewer")
    for replacement in (elsewhere, other_level, reviewer):
        with pytest.raises(Refused, match="same level"):
            actions.delete_role(role=reviewer, replacement=replacement, by=Actor(owner))


# Making and changing


def test_a_role_built_on_another_has_its_rights(org, owner):
    base = tenant_role(org, "viewer")
    role = create(org, owner, base=base, rights={"model:update"}, description="Approves models.")
    assert fresh(role).rights == base.rights | {"model:update"}
    assert (role.slug, role.base, role.predefined) == ("new", base, False)
    event = AuditEvent.objects.get()
    assert (event.action, event.after["name"], event.after["base"]) == ("role.created", "New", "Viewer")
    assert "model:update" in event.after["rights"]


def test_a_new_role_shows_at_least_what_it_is_on(org, owner):
    assert create(org, owner).rights == {"tenant:view"}
    assert create(org, owner, level="organization").rights == {"organization:view"}


def test_write_needs_read(org, owner):
    role = create(org, owner)
    change = save(role, {"model:update", "secret:read_secret_value", "pipeline_run:create"}, owner)
    assert change.implied == {"model:read", "secret:read", "pipeline_deployment:create"}
    assert change.added == change.implied | {
        "model:update",
        "secret:read_secret_value",
        "pipeline_run:create",
    }
    assert fresh(role).rights == change.added | {"tenant:view"}


def test_managing_needs_seeing(org, owner):
    role = create(org, owner, level="organization", rights={"member:manage"})
    assert role.rights == {"organization:view", "member:view", "member:manage"}


def test_rights_of_the_base_cannot_be_taken_away(owner, reviewer):
    change = save(reviewer, set(), owner)
    assert change.removed == {"model:update"}
    assert fresh(reviewer).rights == reviewer.inherited


def test_saving_leaves_a_row_with_what_changed(owner, reviewer):
    save(reviewer, (reviewer.rights - {"model:update"}) | {"model:share"}, owner)
    event = AuditEvent.objects.get()
    assert event.action == "role.rights_changed"
    assert (event.before, event.after) == ({"rights": ["model:update"]}, {"rights": ["model:share"]})


def test_saving_what_is_stored_leaves_nothing(owner, reviewer):
    change = save(reviewer, reviewer.rights, owner)
    assert not (change.added or change.removed)
    assert rows() == 0


def test_renaming_keeps_the_slug(owner, reviewer):
    actions.update_role(role=reviewer, name="Approver", description="Approves.", by=Actor(owner))
    role = fresh(reviewer)
    assert (role.name, role.description, role.slug) == ("Approver", "Approves.", "model-reviewer")
    assert AuditEvent.objects.get().before["name"] == "Model reviewer"


def test_holders_have_it_at_once(org, owner, member, reviewer):
    tenant, seer = make_tenant(org), make_member(org)
    make_grant(tenant, member, reviewer.slug)
    make_grant(tenant, make_team(org, members=[seer]), reviewer.slug)
    first = reviewer.rights
    save(reviewer, first | {"run_template:create"}, owner)
    for person in (member, seer):
        assert "create_template" in tenant_permissions_of(person, tenant)
        assert allowed(person.pk, tenant, "create", ["run_template"]) == {"run_template": True}
    save(reviewer, first, owner)
    for person in (member, seer):
        assert "create_template" not in tenant_permissions_of(person, tenant)


def test_other_roles_of_a_holder_count_on(org, owner, member, reviewer):
    tenant = make_tenant(org)
    make_grant(tenant, member, "developer")
    make_grant(tenant, member, reviewer.slug)
    first = reviewer.rights
    save(reviewer, first | {"run_template:create"}, owner)
    save(reviewer, first, owner)
    assert "create_template" in tenant_permissions_of(member, tenant)


# Deleting


def test_an_unused_role_is_deleted(org, owner, reviewer):
    actions.delete_role(role=reviewer, by=Actor(owner))
    assert not Role.objects.filter(pk=reviewer.pk).exists()
    event = AuditEvent.objects.get()
    assert (event.action, event.before["name"], event.after) == ("role.deleted", "Model reviewer", {})


def test_an_organization_role_hands_over_members_teams_and_invitations(org, owner, recruiter):
    person, team = make_member(org, recruiter.slug), make_team(org, org_role=recruiter.slug)
    open_one, closed = invite(org, recruiter.slug), invite(org, recruiter.slug, "old@example.org")
    Invitation.objects.filter(pk=closed.pk).update(revoked_at=timezone.now())
    same_word = make_role(org, "Recruiter")
    viewer = org.roles.organization_level().get(slug="viewer")
    actions.delete_role(role=recruiter, replacement=viewer, by=Actor(owner))
    for row, name in ((person.membership, "role"), (team, "org_role"), (open_one, "role")):
        row.refresh_from_db()
        assert getattr(row, name) == "viewer"
    closed.refresh_from_db()
    assert closed.role == "recruiter"
    assert Role.objects.filter(pk=same_word.pk).exists()
    assert AuditEvent.objects.get().after == {"replacement": "Viewer"}


def test_a_tenant_role_hands_over_grants_and_promises(org, owner, member, reviewer):
    tenant, team = make_tenant(org), make_team(org)
    promise = InvitationGrant.objects.create(invitation=invite(org), tenant=tenant, role=reviewer)
    both = invite(org, email="b@example.org")
    for role in (reviewer, tenant_role(org, "editor")):
        InvitationGrant.objects.create(invitation=both, tenant=tenant, role=role)
    make_grant(tenant, member, reviewer.slug)
    make_grant(tenant, team, reviewer.slug)
    actions.delete_role(role=reviewer, replacement=tenant_role(org, "editor"), by=Actor(owner))
    assert {(str(grant.holder), grant.role.slug) for grant in tenant.grants.all()} == {
        (str(member.membership), "editor"),
        (str(team), "editor"),
    }
    promise.refresh_from_db()
    assert promise.role.slug == "editor"
    assert [grant.role.slug for grant in both.tenant_grants.all()] == ["editor"]
    assert "create_template" in tenant_permissions_of(member, tenant)


@pytest.mark.parametrize(
    ("old", "kept", "expected"), [(None, 1, None), (2, 1, 2), (1, 2, 2), (1, None, None), (None, None, None)]
)
def test_who_has_the_replacement_keeps_the_later_end(org, owner, member, reviewer, old, kept, expected):
    tenant, now = make_tenant(org), timezone.now()

    def at(days):
        return days and now + timedelta(days=days)

    make_grant(tenant, member, reviewer.slug, expires_at=at(old))
    make_grant(tenant, member, "editor", expires_at=at(kept))
    make_grant(make_tenant(org), member, "editor", expires_at=at(1))
    actions.delete_role(role=reviewer, replacement=tenant_role(org, "editor"), by=Actor(owner))
    grant = tenant.grants.get()
    assert (grant.role.slug, grant.expires_at) == ("editor", at(expected))
    assert TenantGrant.objects.exclude(tenant=tenant).get().expires_at == at(1)


def test_grants_on_deleted_tenants_do_not_count(org, owner, member, reviewer):
    tenant = make_tenant(org)
    make_grant(tenant, member, reviewer.slug)
    tenant.desired_state, tenant.deleted_at = "deleted", timezone.now()
    tenant.save()
    actions.delete_role(role=reviewer, by=Actor(owner))
    assert not tenant.grants.exists()
    assert not tenant_permissions_of(member, tenant)
