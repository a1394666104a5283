"""No one can give through a team what they could not give directly: by page, API, many at once, or invitation."""

import pytest
from django.urls import reverse
from django.utils import timezone
from factories import make_grant, make_member, make_org, make_role, make_team, make_tenant

from orgs.access.gate import permissions_of
from orgs.audit.models import AuditEvent
from orgs.invitations import actions as invitations
from orgs.invitations.models import Invitation
from orgs.teams import actions
from orgs.users.models import Actor, Origin
from tenants.models import Tenant, TenantGrant
from zenpro_site.common.refusals import Refused


@pytest.fixture
def tenant(org):
    return make_tenant(org, "production")


@pytest.fixture
def team(org, tenant):
    team = make_team(org, "risk-ml")
    make_grant(tenant, team, "admin")
    return team


@pytest.fixture
def friend(org):
    return make_member(org, name="Hugo Lind")


def refused(team, friend, person, words="whose access you don't manage"):
    with pytest.raises(Refused, match=words):
        actions.add_member(team=team, user=friend, by=Actor(person))
    assert not team.user_set.exists() and not AuditEvent.objects.exists()


class TestTenantRoles:
    def test_who_manages_teams_but_not_that_tenant(self, team, friend, editor):
        refused(team, friend, editor)

    def test_on_the_page_and_through_the_api(self, team, friend, editor, org, as_user):
        page = reverse("teams:member_add", args=[org.slug, team.uuid])
        answer = as_user(editor).post(page, {"membership": friend.membership.pk}, follow=True)
        assert "whose access you don&#x27;t manage" in answer.content.decode()
        api = f"/api/v1/organizations/{org.slug}/teams/{team.uuid}/members"
        body = {"member": str(friend.membership.pk)}
        answer = as_user(editor).post(api, body, content_type="application/json")
        assert answer.status_code in (403, 409, 422), answer.content
        assert not team.user_set.exists()

    def test_many_at_once(self, team, friend, editor):
        [outcome] = actions.add_members(team=team, memberships=[friend.membership], by=Actor(editor))
        assert "whose access you don't manage" in outcome.refused
        assert not team.user_set.exists()

    @pytest.mark.parametrize("role", ["developer", "viewer"])
    def test_a_role_there_without_managing_access_is_not_enough(self, team, tenant, friend, editor, role):
        make_grant(tenant, editor, role)
        refused(team, friend, editor)

    def test_one_of_two_tenants_is_not_enough(self, team, tenant, friend, editor, org):
        make_grant(tenant, editor, "admin")
        make_grant(make_tenant(org, "staging"), team, "viewer")
        refused(team, friend, editor)

    def test_who_manages_access_to_all_of_them(self, team, tenant, friend, editor):
        make_grant(tenant, editor, "admin")
        actions.add_member(team=team, user=friend, by=Actor(editor))
        assert friend in team.user_set.all()

    def test_an_admin_and_a_superuser(self, team, friend, owner, superuser, org):
        actions.add_member(team=team, user=friend, by=Actor(owner))
        actions.add_member(team=team, user=make_member(org), by=Actor(superuser))
        assert team.user_set.count() == 2

    @pytest.mark.parametrize("gone", ["expired", "deleted"])
    def test_what_is_over_gives_nothing(self, team, tenant, friend, editor, gone):
        if gone == "expired":
            TenantGrant.objects.update(expires_at=timezone.now())
        else:
            Tenant.objects.update(desired_state="deleted", deleted_at=timezone.now())
        actions.add_member(team=team, user=friend, by=Actor(editor))
        assert friend in team.user_set.all()

    def test_no_one_can_appoint_someone_to_do_it_for_them(self, team, friend, editor, owner):
        actions.add_member(team=team, user=friend, by=Actor(owner))
        with pytest.raises(Refused, match="whose access you don't manage"):
            actions.add_maintainer(team=team, user=friend, by=Actor(editor))
        assert not team.maintainers.exists()

    def test_a_maintainer_was_trusted_with_it(self, team, friend, owner, org):
        """Appointed by someone who could give all of it; it is what maintainers are for. Not for themselves."""
        actions.add_member(team=team, user=friend, by=Actor(owner))
        actions.add_maintainer(team=team, user=friend, by=Actor(owner))
        third = make_member(org)
        actions.add_member(team=team, user=third, by=Actor(friend))
        assert third in team.user_set.all()


class TestOrganizationRole:
    @pytest.mark.parametrize("role", ["editor", "viewer"])
    def test_who_may_not_give_roles_gives_none_through_a_team(self, org, editor, friend, role):
        refused(make_team(org, org_role=role), friend, editor, "can't assign roles in the organization")

    def test_who_may_give_them_does_as_far_as_they_are_no_stronger(self, org, friend):
        lead = make_role(
            org, "Lead", level="organization", rights=["member:manage", "team:manage", "role:view"]
        )
        by = Actor(make_member(org, lead.slug))
        actions.add_member(team=make_team(org, org_role="viewer"), user=friend, by=by)
        with pytest.raises(Refused, match="can do more than you"):
            actions.add_member(team=make_team(org, org_role="admin"), user=friend, by=by)
        assert "team:view" in permissions_of(friend, org) and "team:manage" not in permissions_of(friend, org)

    def test_nor_by_giving_the_team_one(self, org, editor):
        team = make_team(org)
        words = {"label": "x", "description": "", "org_role": "viewer"}
        with pytest.raises(Refused, match="can't assign roles in the organization"):
            actions.update_team(team=team, by=Actor(editor), **words)
        with pytest.raises(Refused, match="can't assign roles in the organization"):
            actions.create_team(organization=org, by=Actor(editor), **words | {"label": "y"})
        team.refresh_from_db()
        assert (team.org_role, org.teams.count()) == ("", 1)


class TestInvitations:
    @pytest.fixture
    def inviter(self, org):
        rights = ["invitation:manage", "team:manage", "member:manage"]
        return make_member(org, make_role(org, "Recruiter", level="organization", rights=rights).slug)

    def offer(self, org, *teams):
        return invitations.Offer(org.roles.get(level="organization", slug="member"), teams=teams)

    def test_a_team_with_roles_on_tenants(self, org, team, inviter):
        offer = self.offer(org, team)
        assert "whose access you don't manage" in invitations.reason_against_offer(inviter, org, offer)
        with pytest.raises(Refused, match="whose access you don't manage"):
            invitations.invite(organization=org, addresses=["x@example.org"], offer=offer, by=Actor(inviter))
        assert not Invitation.objects.exists()

    def test_who_manages_access_there_may(self, org, team, tenant, inviter):
        make_grant(tenant, inviter, "admin")
        [sent] = invitations.invite(
            organization=org, addresses=["x@example.org"], offer=self.offer(org, team), by=Actor(inviter)
        )
        assert sent.token

    def test_what_the_team_got_since_kills_the_invitation(self, org, tenant, inviter):
        team = make_team(org)
        [sent] = invitations.invite(
            organization=org, addresses=["x@example.org"], offer=self.offer(org, team), by=Actor(inviter)
        )
        make_grant(tenant, team, "admin")
        assert invitations.find(sent.token) is None
        with pytest.raises(invitations.Gone):
            invitations.accept_as_new(token=sent.token, name="X", password="so many words", origin=Origin())
        assert not team.user_set.exists()

    def test_teams_of_elsewhere_stay_refused(self, org, inviter):
        with pytest.raises(Refused, match="does not belong"):
            invitations.invite(
                organization=org,
                addresses=["x@example.org"],
                offer=self.offer(org, make_team(make_org())),
                by=Actor(inviter),
            )
