"""Choosing where an organization's new tenants live. Atomic, with one audit row."""

from django.db import transaction

from orgs.audit.models import AuditEvent
from orgs.models import Organization
from orgs.users.models import Actor
from tenants.models import DefaultHome
from tenants.models.tenant import own_homes
from tenants.moves.words import home_words
from zenpro_site.common.refusals import Refused


@transaction.atomic
def choose_default_home(*, organization: Organization, kind: str, by: Actor) -> None:
    """Nothing happens when that is the choice already. Tenants that are there stay where they are. Raises Refused."""
    organization.locked()
    if kind not in own_homes():
        raise Refused("This installation has no such home.")
    now = DefaultHome.objects.of(organization)
    if now == kind:
        return
    DefaultHome.objects.update_or_create(organization=organization, defaults={"kind": kind})
    homes = {"before": {"home": home_words(now)}, "after": {"home": home_words(kind)}}
    AuditEvent.objects.record(
        "organization.home_changed", organization, by=by, organization=organization, **homes
    )
