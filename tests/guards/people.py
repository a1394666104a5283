"""Everybody who might open a page: for each a client that is signed in as that person."""

from django.test import Client
from django.utils import timezone
from factories import make_grant, make_member, make_user

from orgs.members import actions
from orgs.users.models import Actor, User

STRANGERS = ("outsider", "removed", "foreign")
MEMBERS = ("member", "viewer", "editor", "admin")
IN_TENANT = ("tenant_viewer", "tenant_operator", "tenant_editor", "tenant_developer", "tenant_admin")


def people_of(world, foreign) -> dict:
    """Role -> person. Members of the organization hold nothing on its tenant, apart from those named for it."""
    org, tenant = world.org, world.tenant
    people = {
        "outsider": make_user(),
        "foreign": foreign.admin,
        "superuser": make_user(superuser=True),
        **{role: make_member(org, role) for role in MEMBERS},
        **{role: make_member(org) for role in IN_TENANT},
        "tenant_org_editor": make_member(org, "editor"),
        "removed": make_member(org, "admin"),
        "disabled": make_member(org, "admin"),
    }
    for role in IN_TENANT:
        make_grant(tenant, people[role], role.removeprefix("tenant_"))
    make_grant(tenant, people["tenant_org_editor"], "viewer")
    for role in ("removed", "disabled"):
        world.team.user_set.add(people[role])
        make_grant(tenant, people[role], "admin")
    actions.remove_member(membership=people["removed"].membership, by=Actor(world.admin))
    User.objects.update(last_active_at=timezone.now())  # one statement less at each of many requests
    return people


def clients_of(people: dict) -> dict[str, Client]:
    """Role -> client with that person's session. The disabled one signed in before being disabled."""
    clients = {"anonymous": Client()}
    for role, person in people.items():
        clients[role] = Client()
        clients[role].force_login(person)
    User.objects.filter(pk=people["disabled"].pk).update(is_active=False)
    return clients
