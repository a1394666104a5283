"""An organization of any size for trying things out: people, teams, tenants without servers, roles, grants.

Nothing here is random: the same sizes give the same organization. Its people cannot sign in and have addresses that no
mail ever reaches.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from itertools import islice

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify

from orgs.audit.models import AuditEvent
from orgs.invitations.models import Invitation
from orgs.models import Membership, Organization, OrgRole
from orgs.organizations.actions import create_organization
from orgs.roles.models import Role
from orgs.roles.predefined_permissions import complete
from orgs.teams.models import Team
from orgs.users.models import Actor, User
from tenants.models import Tenant, TenantGrant
from zenpro_site.common.sql import analyze

FIRST = [
    "Ada",
    "Bruno",
    "Chen",
    "Dana",
    "Emeka",
    "Freya",
    "Goran",
    "Hana",
    "Ines",
    "Jonas",
    "Kira",
    "Luis",
    "Mara",
    "Nils",
    "Olga",
    "Priya",
    "Quinn",
    "Ravi",
]
LAST = [
    "Adeyemi",
    "Berg",
    "Costa",
    "Duarte",
    "Eriksen",
    "Fischer",
    "Garcia",
    "Hoang",
    "Ito",
    "Jansen",
    "Kaya",
    "Lopez",
    "Meyer",
    "Novak",
    "Okafor",
]
AREAS = [
    "fraud",
    "churn",
    "pricing",
    "search",
    "vision",
    "speech",
    "ranking",
    "demand",
    "credit",
    "routing",
    "claims",
    "support",
]
STAGES = ["dev", "staging", "prod", "research", "sandbox"]
HOST = "seeded.invalid"  # no mail server will ever have it
BATCH = 1000
INVITED = 24
ROBOTS = 4


@dataclass(frozen=True)
class Sizes:
    members: int
    teams: int
    tenants: int


def is_seeded(users):
    """Those of `users` that a seed made."""
    return users.filter(email__endswith=f".{HOST}")


@transaction.atomic
def seed(*, name: str, sizes: Sizes, by: Actor) -> Organization:
    """Make the organization with `by` as its Admin. A name that is taken gets a number.

    Leaves the row of a new organization and one that says what was put into it.
    """
    org = create_organization(name=free_name(name), slug=Organization.objects.free_slug(name), by=by)
    members = _members(org, sizes.members)
    teams = _teams(org, sizes.teams, members)
    tenants = _tenants(org, sizes.tenants, by.person)
    _custom_roles(org)
    _grants(org, members, teams, tenants, by.person)
    _invitations(org, teams, by.person)
    analyze()
    AuditEvent.objects.record("organization.seeded", org, by=by, organization=org, after=asdict(sizes))
    return org


def free_name(name: str) -> str:
    """`name`, with a number when an organization has it."""
    taken = set(Organization.objects.filter(name__startswith=name).values_list("name", flat=True))
    number, wish = 1, name
    while wish in taken:
        number += 1
        wish = f"{name} {number}"
    return wish


def _full_names() -> Iterator[str]:
    """ "Ada Adeyemi", ...: the first 270 differ."""
    number = 0
    while True:
        yield f"{FIRST[number % len(FIRST)]} {LAST[(number // len(FIRST) + number) % len(LAST)]}"
        number += 1


def _account(org: Organization, name: str, number: int, password: str, **fields) -> User:
    username = f"{slugify(name)}-{org.slug}-{number}"
    email = f"{slugify(name)}.{number}@{org.slug}.{HOST}"
    now = timezone.now()
    seen = None if number % 5 == 0 else now - timedelta(hours=number % 1500)
    return User(username=username, email=email, name=name, password=password, last_active_at=seen, **fields)


def _members(org: Organization, count: int) -> list[Membership]:
    """People, and a few service accounts."""
    nobody = make_password(None)
    names = islice(_full_names(), count)
    users = [_account(org, name, number, nobody) for number, name in enumerate(names, 1)]
    robots = [
        _account(org, f"robot {number}", count + number, nobody, is_service_account=True)
        for number in range(1, ROBOTS + 1)
    ]
    User.objects.bulk_create(users + robots, batch_size=BATCH)
    members = [
        Membership(organization=org, user=user, role=_org_role(place)) for place, user in enumerate(users)
    ]
    robots = [Membership(organization=org, user=user) for user in robots]
    return Membership.objects.bulk_create(members + robots, batch_size=BATCH)[: len(members)]


def _org_role(place: int) -> OrgRole:
    """One Admin in 500, one Editor in 50, one Viewer in ten, the others Members."""
    for step, role in ((500, OrgRole.ADMIN), (50, OrgRole.EDITOR), (10, OrgRole.VIEWER)):
        if place % step == 0:
            return role
    return OrgRole.MEMBER


def _label(place: int, words: list[str]) -> str:
    """ "fraud-dev", ..., "fraud-dev-2", ..."""
    area, stage = AREAS[place % len(AREAS)], words[place // len(AREAS) % len(words)]
    round_ = place // (len(AREAS) * len(words)) + 1
    return f"{area}-{stage}" if round_ == 1 else f"{area}-{stage}-{round_}"


def _teams(org: Organization, count: int, members: list[Membership]) -> list[Team]:
    """Everyone is in one team, every fourth in the next one too. One team in ten has an organization role."""
    roles = ["" if place % 10 else OrgRole.VIEWER for place in range(count)]
    labels = [_label(place, ["science", "platform", "analysts", "research", "ops"]) for place in range(count)]
    teams = [
        Team.objects.create(organization=org, label=label, org_role=role)
        for label, role in zip(labels, roles, strict=True)
    ]
    if teams:
        _fill_teams(teams, members)
    return teams


def _fill_teams(teams: list[Team], members: list[Membership]) -> None:
    through, count = User.groups.through, len(teams)
    places = [(member, place) for place, member in enumerate(members)]
    places += [(member, place + 1) for member, place in places[::4] if count > 1]
    rows = [through(user_id=member.user_id, group_id=teams[place % count].pk) for member, place in places]
    through.objects.bulk_create(rows, batch_size=BATCH)


def _tenants(org: Organization, count: int, person) -> list[Tenant]:
    """Deactivated ones, which is what they are to stay: the agent leaves them alone."""
    state, version = Tenant.DesiredState.DEACTIVATED, settings.ZENPRO_ZENML_VERSIONS[0]
    slugs = [_label(place, STAGES) for place in range(count)]
    return Tenant.objects.bulk_create(
        Tenant(
            organization=org,
            name=slug,
            slug=slug,
            workspace_name=f"{slug}-{org.slug}",
            description="Made by zenpro seed: there is no server behind it.",
            zenml_version=version,
            desired_state=state,
            status=Tenant.Status.DEACTIVATED,
            created_by=person,
        )
        for slug in slugs
    )


def _custom_roles(org: Organization) -> None:
    """One at each level, built on Viewer."""
    for level, name, slug, extra in (
        (Role.Level.TENANT, "Reviewer", "reviewer", {"model:promote", "model:update"}),
        (Role.Level.ORGANIZATION, "Auditor", "auditor", {"audit:view"}),
    ):
        base = org.roles.get(level=level, slug="viewer")
        role = Role.objects.create(organization=org, level=level, slug=slug, name=name, base=base)
        role.set_rights(complete(level, base.rights | extra))


def _grants(org, members, teams, tenants, person) -> None:
    """Each team on every fifth tenant, every third person on one more; guardian's rows follow from them."""
    if not tenants:
        return
    roles = list(org.roles.tenant_level())
    grants = [
        TenantGrant(tenant=tenant, role=roles[(place + number) % len(roles)], team=team, granted_by=person)
        for place, team in enumerate(teams)
        for number, tenant in enumerate(tenants[place % 5 :: 5])
    ]
    later = timezone.now() + timedelta(days=90)
    grants += [
        TenantGrant(
            tenant=tenants[place % len(tenants)],
            role=roles[place % len(roles)],
            membership=member,
            granted_by=person,
            expires_at=None if place % 30 else later,
        )
        for place, member in enumerate(members[::3])
    ]
    TenantGrant.objects.bulk_create(grants, batch_size=BATCH)
    TenantGrant.objects.filter(tenant__organization=org).sync_holders()


def _invitations(org: Organization, teams: list[Team], person) -> None:
    """Open ones, a third of them expired. No one knows their links."""
    made = []
    for number in range(INVITED):
        invitation = Invitation(organization=org, email=f"new.{number}@{org.slug}.{HOST}", invited_by=person)
        invitation.renew_token()
        if number % 3 == 0:
            invitation.expires_at = timezone.now() - timedelta(days=number + 1)
        made.append(invitation)
    Invitation.objects.bulk_create(made)
    for invitation in made[::2]:
        invitation.teams.set(teams[:1])
