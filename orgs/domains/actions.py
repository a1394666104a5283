"""Domains that make people members. Each change is atomic and leaves one audit row."""

from allauth.account.models import EmailAddress
from django.db import transaction

from orgs.audit.models import AuditEvent
from orgs.models import Membership
from orgs.users.models import Actor
from zenpro_site.common.refusals import Refused

from .models import OrganizationDomain, domain_of


@transaction.atomic
def add_domain(*, domain: OrganizationDomain, by: Actor) -> None:
    """Store a new domain of an organization; for superusers. Raises Refused for a role the organization lacks."""
    _refuse_role(domain)
    domain.created_by = by.person
    domain.save(force_insert=True)
    _record("domain.added", domain, by, after=_words(domain))


@transaction.atomic
def change_role(*, domain: OrganizationDomain, role: str, by: Actor) -> None:
    """Another role (slug) for those who come from now on; members keep theirs. Raises Refused for one it lacks."""
    row = OrganizationDomain.objects.select_for_update().get(pk=domain.pk)
    before, row.role = _words(row), role
    _refuse_role(row)
    if before == _words(row):
        return
    row.save(update_fields=["role"])
    _record("domain.changed", row, by, before, _words(row))


@transaction.atomic
def remove_domain(*, domain: OrganizationDomain, by: Actor) -> None:
    """No one joins through it any more; those who did stay."""
    _record("domain.removed", domain, by, before=_words(domain))
    domain.delete()


def lets_in(address: str) -> bool:
    """Is the address, once proved, one of an organization's domain?"""
    return OrganizationDomain.objects.filter(domain=domain_of(address)).exists()


@transaction.atomic
def join(*, by: Actor) -> list[Membership]:
    """Make the person a member wherever one of their proved addresses belongs; the new memberships, one audit row each.

    Nothing happens where they are or ever were a member: people who were removed, or left, are not put back.
    """
    person = by.person
    if person.is_service_account or not person.is_active:
        return []
    domains = OrganizationDomain.objects.filter(domain__in={domain_of(one) for one in _proved(person)})
    domains = domains.exclude(organization__memberships__user=person)
    domains = domains.exclude(organization__departures__user=person)
    joined = [_let_in(domain, person) for domain in domains.select_related("organization")]
    joined = [(domain, membership) for domain, membership, is_new in joined if is_new]
    for domain, membership in joined:  # recorded last: no one else can append from here on
        _record("member.joined", domain, by, after=_words(domain), target=membership)
    return [membership for _, membership in joined]


def _proved(person) -> list[str]:
    """Addresses the person has confirmed. An account a superuser created has none; its own is vouched for."""
    known = EmailAddress.objects.filter(user=person).values_list("email", "verified")
    return [email for email, verified in known if verified] if known else [person.email]


def _let_in(domain: OrganizationDomain, person) -> tuple[OrganizationDomain, Membership, bool]:
    """Not new when another sign-in of theirs was quicker, or another domain of the same organization let them in."""
    membership, is_new = Membership.objects.get_or_create(
        organization=domain.organization, user=person, defaults={"role": domain.role}
    )
    return domain, membership, is_new


def _refuse_role(domain: OrganizationDomain) -> None:
    if not domain.organization.roles.organization_level().filter(slug=domain.role).exists():
        raise Refused(f"{domain.organization} has no such role.")


def _words(domain: OrganizationDomain) -> dict[str, str]:
    return {"domain": domain.domain, "role": domain.role}


def _record(action: str, domain: OrganizationDomain, by: Actor, before=None, after=None, target=None) -> None:
    organization = domain.organization
    AuditEvent.objects.record(
        action, target or domain, by=by, organization=organization, before=before, after=after
    )
