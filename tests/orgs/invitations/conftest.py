import pytest
from factories import make_team, make_tenant, tenant_role

from orgs.invitations import actions
from orgs.users.models import Actor


def org_role(org, slug="member"):
    return org.roles.get(level="organization", slug=slug)


@pytest.fixture
def send(org, owner):
    """send("x@example.org", role="editor") -> Result of one invitation by the owner."""

    by_owner = Actor(owner)

    def send(address="linus@example.org", role="member", by=by_owner, **promise):
        offer = actions.Offer(org_role(org, role), **promise)
        [result] = actions.invite(organization=org, addresses=[address], offer=offer, by=by)
        return result

    return send


@pytest.fixture
def team(org):
    return make_team(org, "risk-ml", description="Credit models")


@pytest.fixture
def tenant(org):
    return make_tenant(org, "production")


@pytest.fixture
def full(send, org, team, tenant):
    """An invitation with everything in it."""
    return send(teams=[team], tenant_roles=[(tenant, tenant_role(org, "operator"))])
