"""What people would gain on tenants by joining a team, before they are added."""

from collections.abc import Iterable

from orgs.access.places import places
from orgs.roles.state import Effect, compare

from .models import Team


def tell_gains(team: Team, memberships: Iterable) -> None:
    """Set `gains` on each membership: "gets access to 2 tenants", or "gains nothing". Tenants are only counted.

    At most five queries for any number of them.
    """
    memberships = list(memberships)
    before, after = places().joining(team, [one.user_id for one in memberships])
    effects: dict = {}
    for effect in compare(before, after):
        effects.setdefault(effect.person, []).append(effect)
    for one in memberships:
        one.gains = _words(effects.get(one.user_id, [])) if after.holdings else ""


def _words(effects: list[Effect]) -> str:
    entered = sum(not effect.before for effect in effects)
    parts = [f"gets access to {_tenants(entered)}"] if entered else []
    if len(effects) > entered:
        parts.append(f"gains rights on {_tenants(len(effects) - entered)}")
    return " and ".join(parts) or "gains no rights on tenants"


def _tenants(number: int) -> str:
    return "1 tenant" if number == 1 else f"{number} tenants"
