"""The people of an organization as a file, line by line."""

import csv
from collections.abc import Iterator

from django.db import transaction

from orgs.audit.export import Echo, cell
from orgs.audit.models import AuditEvent
from orgs.members import listing
from orgs.models import Organization
from orgs.users.models import Actor
from tenants.access import people

AT_ONCE = 500
FIELDS = ("name", "email", "username", "role", "teams", "tenants", "active", "last_active", "member_since")


def as_csv(request, members) -> Iterator[str]:
    """Header and one record a member, in the order of the query set, as the person of the request may see them."""
    writer = csv.writer(Echo())
    yield writer.writerow(FIELDS)
    known = listing.counts_of(request.org), listing.roles_of(request.org), list(request.org.teams.all())
    for some in _batches(members):
        for row in people.rows(request, some, *known):
            yield writer.writerow([cell(value) for value in _values(row)])


def _batches(members) -> Iterator[list]:
    """Few members in memory, and no one twice or left out when someone joins meanwhile."""
    keys = list(members.values_list("pk", flat=True))
    for start in range(0, len(keys), AT_ONCE):
        found = members.model.objects.select_related("user").in_bulk(keys[start : start + AT_ONCE])
        yield [found[key] for key in keys[start : start + AT_ONCE] if key in found]


def _values(row) -> tuple:
    member, user = row.membership, row.membership.user
    teams = ", ".join(team.label for team in row.teams)
    facts = ("yes" if user.is_active else "no", _day(user.last_active_at), _day(member.created_at))
    return (user.name, user.email, user.username, row.role_name, teams, row.tenants, *facts)


def _day(moment) -> str:
    return moment.isoformat(timespec="seconds") if moment else ""


@transaction.atomic
def record_export(*, organization: Organization, filters: dict, people: int, by: Actor) -> None:
    """Tell the audit log that the list of people was exported."""
    after = {"filters": filters, "people": people}
    AuditEvent.objects.record("member.exported", organization, by=by, organization=organization, after=after)
