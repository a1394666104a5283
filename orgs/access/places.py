"""What organizations ask about the places where roles of the second level are given.

An organization gives roles in itself, and at places it knows nothing about but this: they belong to it, people and
teams hold roles there, and invitations promise them. ZENPRO_PLACES names the class that answers; here those places are
tenants. Names of methods are for one place, role, team or invitation unless they say otherwise.
"""

from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import NamedTuple, Protocol

from django.conf import settings
from django.db.models import Expression, QuerySet
from django.utils.module_loading import import_string


class RoleHolders(NamedTuple):
    """Query sets of those who hold a role somewhere, and of the places where they do."""

    memberships: QuerySet
    teams: QuerySet
    invitations: QuerySet
    places: QuerySet


class Places(Protocol):
    """The answers. `rights` are what permissions_of says of a user in the organization."""

    def number(self) -> Expression:
        """For rows of organizations: how many places each has."""

    # teams

    def are_given_to(self, team) -> bool:
        """Does the team hold a role at any place now?"""

    def are_beyond(self, team, user, rights) -> bool:
        """Does the team hold a role at a place whose access the user does not manage?"""

    def number_of_team(self, request) -> Expression:
        """For rows of teams: at how many places, of those the person of the request may know, each holds a role."""

    def roles_of_team(self, team, request=None) -> QuerySet:
        """Its roles at places, by place, each with `place` and `role`; only those the person of the request may know."""

    def joining(self, team, people: Sequence) -> tuple:
        """What these people (ids of users) hold at the places of the team: two States, outside the team and in it."""

    # roles

    def rights_changed(self, role) -> None:
        """The rights of a role are others now: bring up to date what depends on them, in the same transaction."""

    def hand_over(self, role, replacement=None) -> None:
        """End all that is given or promised of a role, in favour of another or of nothing, in the same transaction."""

    def use(self, role) -> bool:
        """Does anyone hold the role somewhere, or is anyone promised it?"""

    def are_held(self, role, user) -> bool:
        """Does the user hold the role somewhere, directly or through a team?"""

    def held(self, role) -> RoleHolders:
        """Who holds the role where."""

    def state(self, role):
        """The RolesState of everyone who holds the role, at the places where they do."""

    def names(self, organization, keys: Collection) -> dict:
        """Key of a place -> its name."""

    def counted(self, roles: QuerySet) -> QuerySet:
        """The roles with `people` and `teams`: how many hold each directly."""

    # invitations

    def offered(self, organization, rights) -> list:
        """Places where someone with these rights can promise a role, by name."""

    def roles_like(self, member, user, rights) -> Iterable:
        """What the member holds directly at places the user sees: rows with `place`, `role` and `expires_at`."""

    def promise(self, wishes: Iterable[tuple]) -> None:
        """Store (invitation, place, role) for new invitations, in one statement."""

    def are_promised(self, invitation) -> bool:
        """Does the invitation promise any role at a place?"""

    def promised(self, invitation) -> list[tuple]:
        """(place, role) of what the invitation promises, by place; places that are gone among them."""

    def with_promises(self, invitations: QuerySet) -> QuerySet:
        """The invitations with what they promise, for a list."""

    def still_promised(self, invitation) -> QuerySet:
        """What accepting would give now, as roles_of_team does."""

    def keep_promises(self, invitation, membership) -> list[tuple]:
        """Give the new member what the invitation promises, where the place is still there. Returns what `promised` does."""


@cache
def places() -> Places:
    """The class that ZENPRO_PLACES names; one object a process."""
    return import_string(settings.ZENPRO_PLACES)()
