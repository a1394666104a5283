"""Organizations that require a second factor at sign-in."""

from urllib.parse import urlsplit

from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme

from orgs.access.factors import factor_rows, has_two_factor
from orgs.models import Organization

BACK = "after_two_factor"  # in the session: the page that was wanted


def set_up_first(request, organization: Organization):
    """Show people without the second factor how to set it up, whatever page or form of the organization they wanted."""
    request.session[BACK] = _wanted(request, organization)
    return redirect("users:two_factor_needed", organization.slug)


def _wanted(request, organization: Organization) -> str:
    """The page to come back to. What was posted is not done; they come back to the page with the form."""
    if request.method == "GET" and not request.htmx:
        return request.get_full_path()
    came_from = request.headers.get("HX-Current-URL") or request.headers.get("Referer") or ""
    if not url_has_allowed_host_and_scheme(came_from, allowed_hosts={request.get_host()}):
        return organization.get_absolute_url()
    parts = urlsplit(came_from)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def closed_to(person) -> list[Organization]:
    """The person's organizations that ask for a second factor they don't have. One query, two when there are any."""
    asking = list(Organization.objects.of(person).filter(requires_two_factor=True).order_by("name"))
    return [] if not asking or person.is_service_account or has_two_factor(person) else asking


def members_without(organization: Organization):
    """Memberships of people who can sign in and have no second factor. Query set, by name."""
    people = organization.memberships.filter(user__is_active=True, user__is_service_account=False)
    return (
        people.exclude(user__in=factor_rows().values("user"))
        .select_related("user")
        .order_by("user__name", "user__email")
    )
