"""What `zenml login` and the client call (protocol §3.1-3.3a, §3.5, §3.6)."""

from http import HTTPStatus

from django.conf import settings
from django.http import JsonResponse
from django.urls import reverse
from django.utils.http import urlencode

from orgs.models import Organization
from tenants.control_plane import browser_links, wire
from tenants.credentials import devices, keys
from zenpro_site.common import identifiers

from .access import endpoint, user_endpoint

PAGE = 20
ALL = 1000  # for ZenML's client, which asks for 20 and never for more (protocol §3.5)


@endpoint("POST")
def device_authorization(request):
    """A computer asks to be signed in: codes and the URL of the page to answer on (§3.1)."""
    client_id = identifiers.uuid_or_none(request.POST.get("client_id"))
    if client_id is None:
        raise wire.WireError(HTTPStatus.BAD_REQUEST, "ValueError", "client_id is not a UUID.")
    agent, home = request.headers.get("User-Agent", ""), browser_links.tenant_at(request.home)
    try:
        asked = devices.ask(client_id=client_id, user_agent=agent, ip=request.origin.ip, home=home)
    except devices.TooMany as error:
        text = "Too many sign-ins from this address are waiting for an answer."
        raise wire.WireError(HTTPStatus.BAD_REQUEST, "ValueError", text) from error
    page = settings.ZENPRO_URL + reverse("control_plane:device_verify")
    query = urlencode({"device_id": asked.login.pk, "user_code": asked.login.user_code})
    return {
        "device_code": asked.device_code,
        "user_code": asked.login.user_code,
        "verification_uri": page,
        "verification_uri_complete": f"{page}?{query}",
        "expires_in": int(devices.LIFETIME.total_seconds()),
        "interval": devices.INTERVAL,
    }


def device_token(request, home=None) -> JsonResponse:
    """The computer's poll: 200 once after approval, else 400 with a word of RFC 8628 (§3.3a)."""
    try:
        token, login, lifetime = devices.collect(
            device_code=request.POST.get("device_code", ""),
            client_id=identifiers.uuid_or_none(request.POST.get("client_id")),
            home=home,
        )
    except devices.LoginFailed as failed:
        body = {"error": failed.error, "error_description": failed.description}
        return JsonResponse(body, status=HTTPStatus.BAD_REQUEST)
    return JsonResponse(
        {
            "access_token": token,
            "token_type": "bearer",
            "expires_in": int(lifetime.total_seconds()),
            "device_id": str(login.pk),
            "device_metadata": {"tenant_id": str(login.tenant_id), "workspace_id": str(login.tenant_id)},
        }
    )


@endpoint("POST")
def key_token(request):
    """A client exchanges an API key, which comes as `password` without a grant type, for a token (§3.3b)."""
    issued = keys.exchange(
        secret=request.POST.get("password", ""), home=browser_links.tenant_at(request.home)
    )
    if issued is None:
        raise wire.not_signed_in("This API key is not valid, or no longer.")
    return {"access_token": issued[0], "token_type": "bearer", "expires_in": issued[1]}


# -- what a signed-in client asks


def _tenants(request, *, member_only: bool):
    """What the person can see with this token at this address: a key can be bound to one tenant or organization."""
    found = request.token.opened(devices.tenants_of(request.token.user, member_only=member_only))
    return found.filter(pk=request.home) if request.home else found


def _organizations(token):
    found = Organization.objects.of(token.user)
    if token.api_key and token.api_key.organization_id:
        found = found.filter(pk=token.api_key.organization_id)
    return found.filter(tenants=token.tenant_id) if token.tenant_id else found


@user_endpoint("GET")
def workspaces(request):
    """A bare list of the tenants the person can see; by name, by address, or only those they can use (§3.5)."""
    query = request.GET
    found = _tenants(request, member_only=query.get("member_only", "").lower() == "true")
    name = query.get("workspace_name") or query.get("tenant_name")
    if name:
        found = found.filter(workspace_name=name)
    if query.get("url"):
        found = found.filter(server_url=query["url"].rstrip("/"))
    if query.get("status"):
        found = found.filter(status=query["status"])
    if query.get("organization_id"):
        found = found.filter(organization=wire.uuid(query["organization_id"], "organization_id"))
    start, limit = wire.count(query.get("offset"), 0), wire.count(query.get("limit"), PAGE)
    if "source-context" in request.headers and (start, limit) == (0, PAGE):
        limit = ALL
    return [workspace_body(tenant) for tenant in found[start : start + limit]]


@user_endpoint("GET")
def workspace(request, workspace):
    """One tenant; 404 for what the person can't see (§3.5)."""
    tenant = _tenants(request, member_only=False).filter(pk=workspace).first()
    if tenant is None:
        raise wire.WireError(HTTPStatus.NOT_FOUND, "KeyError", "There is no such workspace.")
    return workspace_body(tenant)


@user_endpoint("GET")
def organizations(request):
    """A bare list of the person's organizations (§3.6)."""
    mine = _organizations(request.token).order_by("name")
    start = wire.count(request.GET.get("offset"), 0)
    return [
        organization_body(one) for one in mine[start : start + wire.count(request.GET.get("limit"), PAGE)]
    ]


@user_endpoint("GET")
def organization(request, name):
    """One of the person's organizations by id or slug (§3.6)."""
    key = identifiers.uuid_or_none(name)
    wanted = {"pk": key} if key else {"slug": name}
    found = _organizations(request.token).filter(**wanted).first()
    if found is None:
        raise wire.WireError(HTTPStatus.NOT_FOUND, "KeyError", "There is no such organization.")
    return organization_body(found)


def workspace_body(tenant) -> dict:
    """A tenant as clients of 0.74 to 0.98 read it: every key is there."""
    version = tenant.reported_version or tenant.zenml_version
    status = {"server_url": tenant.server_url, "version": version} if tenant.server_url else None
    return {
        "id": str(tenant.pk),
        "name": tenant.workspace_name,
        "description": tenant.description or None,
        "organization": organization_body(tenant.organization),
        "desired_state": tenant.desired_state,
        "state_reason": tenant.state_reason,
        "status": tenant.status,
        "zenml_service": {"configuration": {"version": tenant.zenml_version}, "status": status},
    }


def organization_body(organization) -> dict:
    return {
        "id": str(organization.pk),
        "name": organization.slug,
        "description": organization.description or None,
        "created": organization.created_at.isoformat(),
        "updated": organization.updated_at.isoformat(),
    }


# -- pages
