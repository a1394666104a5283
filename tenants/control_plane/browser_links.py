"""Where the URLs lead that ZenML servers and clients print for browsers (protocol §3.14)."""

import re
from http import HTTPStatus
from uuid import UUID

from django.contrib.auth import get_user_model
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.urls import reverse

from orgs.models import Organization
from tenants.access.gate import tenants_visible_to
from tenants.control_plane.wire import WireError
from tenants.models import Tenant
from zenpro_site.common.identifiers import uuid_or_none

# What ZenML links to and we have no page for: what it is called, and how the client shows one.
WORDS = {
    "stacks": ("stacks", "stack describe"),
    "components": ("stack components", "stack list --component_id"),
    "model-versions": ("model versions", "model version list --id"),
    "deployments": ("deployments", "deployment describe"),
}
PAGELESS = re.compile(rf"(?:^|/)({'|'.join(WORDS)})(?:/([0-9a-f-]+))?/?$")
RUNS = re.compile(r"(?:^|/)runs/?$")
RUN = re.compile(r"(?:^|/)runs/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:/|$)")


def live_tenant(tenant_id: UUID | None) -> Tenant | None:
    """The tenant a server says it is, unless it was deleted."""
    return Tenant.objects.live().filter(pk=tenant_id).first()


def tenant_at(home: UUID | None) -> Tenant | None:
    """The tenant whose own address this is, None for the address of all that we host.

    Raises WireError 404 unless someone else runs its server.
    """
    tenant = live_tenant(home) if home else None
    if home and not (tenant and tenant.is_elsewhere):
        raise WireError(HTTPStatus.NOT_FOUND, "KeyError", "There is no tenant at this address.")
    return tenant


def person_named(user_id: UUID | None):
    """The User with this id, in whichever organization; None when there is none."""
    return get_user_model().objects.filter(pk=user_id).first()


def visible_workspace(user, name: str) -> Tenant:
    """The tenant that ZenML knows by this name. Raises Http404 when the user can't see it."""
    return _visible(user, get_object_or_404(Tenant.objects.live(), workspace_name=name))


def visible_tenant(user, organization_id: UUID, tenant_id: UUID) -> Tenant:
    """A tenant by the ids in an address of ZenML until 0.75. Raises Http404 when the user can't see it."""
    tenants = Tenant.objects.live().filter(organization=organization_id)
    return _visible(user, get_object_or_404(tenants, pk=tenant_id))


def _visible(user, tenant: Tenant) -> Tenant:
    if not tenants_visible_to(user, tenant.organization).filter(pk=tenant.pk).exists():
        raise Http404("No such tenant.")
    return tenant


def visible_organization(user, organization_id: UUID) -> Organization:
    """Raises Http404 for outsiders."""
    return get_object_or_404(Organization.objects.of(user), pk=organization_id)


def page_for(tenant: Tenant, rest: str) -> str:
    """Our page for what follows the tenant in ZenML's address: the run it names, the runs, else the tenant."""
    here = [tenant.organization.slug, tenant.slug]
    run = RUN.search(rest)
    if run:
        return reverse("tenants:run_detail", args=[*here, UUID(run[1])])
    if RUNS.search(rest):
        return reverse("tenants:runs", args=here)
    return tenant.get_absolute_url()


def note_for(rest: str, wanted: str) -> str:
    """What to tell people who come for something that has no page here; "" for what has one.

    `wanted`: the id in the query, as ZenML gives it for stacks.
    """
    found = PAGELESS.search(rest)
    if not found:
        return ""
    what, command = WORDS[found[1]]
    key = uuid_or_none(found[2] or wanted)
    return f"ZenPro has no page for {what}." + (f" In a terminal: zenml {command} {key}" if key else "")
