"""The endpoints an unmodified ZenML server calls, and the pages behind the addresses it prints (protocol §3)."""

from http import HTTPStatus

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.shortcuts import redirect
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from orgs.roles.predefined_permissions import RESOURCES, actions_of, is_known
from orgs.users.models import Actor
from tenants.access import decisions
from tenants.access.decisions import Resource
from tenants.control_plane import actions, browser_links, wire
from tenants.models import Tenant
from tenants.usage import quotas
from zenpro_site.common import identifiers
from zenpro_site.common.refusals import Refused

from .access import endpoint, server_endpoint, user_endpoint
from .client_views import device_token, key_token

CLIENT_CREDENTIALS = "client_credentials"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
LONGEST_VERSION = 20


@csrf_exempt
def auth_login(request, home=None):
    """One path for four: computers, scripts and servers POST for a token, browsers are sent here to sign in (§1, §10)."""
    if request.method != "POST":
        return sign_in(request)
    try:
        grant = request.POST.get("grant_type", "")
    except wire.UNREADABLE as error:
        return wire.unreadable(error).response()
    if grant == DEVICE_CODE:
        return device_token(request, home)
    answer = key_token if not grant and "password" in request.POST else token
    return answer(request, home=home)


@endpoint("POST")
def token(request):
    """A token for a tenant's server: 200 {access_token, token_type, expires_in} or 401 (§3.3c)."""
    if request.POST.get("grant_type") != CLIENT_CREDENTIALS:
        raise wire.WireError(HTTPStatus.BAD_REQUEST, "ValueError", "This grant type is not supported.")
    tenant_id = identifiers.uuid_or_none(request.POST.get("client_id"))
    if request.home not in (None, tenant_id):
        raise wire.not_signed_in("This address belongs to another tenant.")
    issued = actions.log_in_server(tenant_id=tenant_id, secret=request.POST.get("client_secret", ""))
    _note_login(request, tenant_id, issued is not None)
    if issued is None:
        raise wire.not_signed_in("Client id and secret don't match.")
    lifetime = int(actions.SERVER_TOKEN_LIFETIME.total_seconds())
    return {"access_token": issued, "token_type": "bearer", "expires_in": lifetime}


def _note_login(request, tenant_id, known: bool) -> None:
    """For the page that waits for a server someone else runs."""
    if known:
        actions.note_call(tenant_id=tenant_id, **_claims(request))
    elif tenant_id:
        actions.note_refusal(tenant_id=tenant_id)


def _claims(request) -> dict[str, str]:
    """What a server says about itself with every call."""
    return {
        "url": request.headers.get("zenml-server-url", ""),
        "version": request.headers.get("zenml-server-version", "")[:LONGEST_VERSION],
    }


@require_safe
@login_required
def sign_in(request):
    """Where a tenant's server sends browsers: after signing in, to where everyone lands."""
    return redirect(settings.LOGIN_REDIRECT_URL)


@user_endpoint("GET")
def authorize_server(request):
    """Who the bearer is, for the tenant they want a session with; 401 or 403 keep them out (§3.4).

    No one is announced as superuser or service account: servers let both bypass our decisions.
    """
    user = request.token.user
    tenant = browser_links.live_tenant(identifiers.uuid_or_none(request.GET.get("server_id")))
    if tenant is None or request.home not in (None, tenant.pk):
        raise wire.forbidden("You have no access to this tenant.")
    if not request.token.opens(tenant):
        if tenant.is_elsewhere:
            actions.end_shown(token=request.token, tenant=tenant)
        raise wire.forbidden("You have no access to this tenant.")
    if not decisions.may_connect(user, tenant):
        raise wire.forbidden("You have no access to this tenant.")
    actions.record_entry(tenant=tenant, token=request.token)
    return {
        "id": str(user.pk),
        "username": user.username,
        "email": user.email,
        "name": user.name or None,
        "is_superuser": False,
        "is_service_account": False,
        "avatar_url": None,
        "oidc_claims": None,
    }


@server_endpoint("PATCH", "POST")
def workspace_status(request):
    """The server starts: after its migrations, before it serves. What it says is in the headers (§3.7)."""
    claims = _claims(request)
    actions.record_start(tenant=request.tenant, version=claims["version"])
    actions.note_call(tenant_id=request.tenant.pk, **claims)
    return {"id": str(request.tenant.pk)}


@server_endpoint("POST", "GET")
def check_permissions(request):
    """{resource: bool} for every resource asked about; they come in the body, or in the query until 0.82 (§3.8)."""
    if request.method == "POST":
        asked = wire.strings(wire.json_body(request), "The body")
    else:
        asked = wire.strings(request.GET.getlist("resources"), "resources")
    person, action = _who_and_what(request)
    _note_unknown(request, action, map(Resource.parse, asked))
    return decisions.allowed(person, request.tenant, action, asked)


@server_endpoint("GET")
def allowed_resource_ids(request):
    """{full_access, ids} for a type of resource (§3.9)."""
    person, action = _who_and_what(request)
    resource = _resource(request.GET.get("resource", ""))
    if resource.tenant not in (None, str(request.tenant.pk)):
        return {"full_access": False, "ids": []}
    _note_unknown(request, action, [resource])
    full, ids = decisions.allowed_ids(person, request.tenant, resource.type, resource.project, action)
    return {"full_access": full, "ids": ids}


@server_endpoint("POST")
def resource_members(request):
    """Make a list of actions all that a person or a team can do with one object; an empty list ends it (§3.10)."""
    body = wire.json_object(request)
    resource = _shareable(_resource(body.get("resource")), request.tenant)
    wanted = wire.strings(body.get("actions"), "actions")
    if not set(wanted) <= set(actions_of(resource.type)):
        raise wire.invalid(f"{resource.type} has no such action.")
    organization = request.tenant.organization
    holder = _holder(organization, body.get("user_id"), body.get("team_id"))
    by = _sharing(body.get("sharing_user_id"), request.origin)
    try:
        actions.share(tenant=request.tenant, resource=resource, holder=holder, actions=wanted, by=by)
    except Refused as refused:
        raise wire.forbidden(str(refused)) from refused
    return {}


@server_endpoint("DELETE")
def resources(request):
    """Objects were deleted: forget their shares (§3.11)."""
    listed = wire.strings(request.GET.getlist("resources"), "resources")
    named = [Resource.parse(text) for text in listed]
    gone = [one for one in named if one and one.id and one.tenant in (None, str(request.tenant.pk))]
    actions.forget(tenant=request.tenant, resources=gone)
    return {}


@server_endpoint("GET")
def entitlement(request, organization, feature):
    """Can the tenant have one more of `feature`? 402 with a sentence when a limit is reached (§3.12)."""
    _check_organization(request, organization)
    if sentence := quotas.refusal(request.tenant, feature):
        raise wire.used_up(sentence)
    return {"feature": feature, "allowed": True}


@server_endpoint("POST")
def usage_event(request):
    """Something was created (+1) or deleted (-1) in the tenant; repeated by the server at will (§3.13)."""
    body = wire.json_object(request)
    about = body.get("metadata") if isinstance(body.get("metadata"), dict) else {}
    _check_organization(request, identifiers.uuid_or_none(body.get("organization_id")))
    if identifiers.uuid_or_none(about.get("workspace_id", about.get("tenant_id"))) != request.tenant.pk:
        raise wire.forbidden("This token belongs to another tenant.")
    if body.get("total") not in (1, -1):
        raise wire.invalid("total must be 1 or -1.")
    actions.record_usage(
        tenant=request.tenant,
        feature=wire.text(body.get("feature"), "feature", 40),
        total=int(body["total"]),
        resource_id=wire.text(about.get("resource_id"), "resource_id", 64),
    )
    return {}


@endpoint("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
def missing(request, rest):
    """Whatever else is asked for below /api gets an answer that ZenML can read."""
    raise wire.WireError(HTTPStatus.NOT_FOUND, "KeyError", "There is no such endpoint.")


@require_safe
@login_required
def workspace(request, name, rest=""):
    """The URL that a server calls its dashboard, and the URLs it prints below it (§3.14)."""
    return _lead(request, browser_links.visible_workspace(request.user, name), rest)


@require_safe
@login_required
def organization(request, organization, rest=""):
    """The organization in ZenML's error hints (§3.14)."""
    return redirect(browser_links.visible_organization(request.user, organization))


@require_safe
@login_required
def organization_tenant(request, organization, tenant, rest=""):
    """The same as `workspace`, as it was until 0.75 (§3.14)."""
    return _lead(request, browser_links.visible_tenant(request.user, organization, tenant), rest)


def _lead(request, tenant, rest: str):
    note = browser_links.note_for(rest, request.GET.get("id", ""))
    if note:
        messages.info(request, note)
    return redirect(browser_links.page_for(tenant, rest))


def _who_and_what(request):
    """The person asked about (None when that is no id at all: then nothing is allowed) and the action."""
    person = identifiers.uuid_or_none(request.GET.get("user_id"))
    return person, wire.text(request.GET.get("action"), "action", 40)


def _note_unknown(request, action: str, resources) -> None:
    for kind in sorted({one.type for one in resources if one}):
        if not is_known(kind, action):
            version = _claims(request)["version"]
            actions.note_unknown(kind, action, tenant_id=request.tenant.pk, version=version)


def _resource(text) -> Resource:
    found = Resource.parse(text)
    if found is None:
        raise wire.invalid("This is not a resource.")
    return found


def _shareable(resource: Resource, tenant: Tenant) -> Resource:
    if resource.tenant not in (None, str(tenant.pk)):
        raise wire.forbidden("This token belongs to another tenant.")
    if resource.id is None or resource.type not in RESOURCES:
        raise wire.invalid("This can't be shared.")
    return resource


def _holder(organization, user_id, team_id):
    """The Membership or Team something is shared with. Raises WireError 422 unless exactly one is named, 403 for
    people and teams from elsewhere."""
    if bool(user_id) == bool(team_id):
        raise wire.invalid("Name either a user or a team.")
    if user_id:
        found = (
            organization.memberships.filter(user=wire.uuid(user_id, "user_id")).select_related("user").first()
        )
    else:
        found = organization.teams.filter(uuid=wire.uuid(team_id, "team_id")).first()
    if found is None:
        raise wire.forbidden("Objects can only be shared with members and teams of the organization.")
    return found


def _sharing(user_id, origin) -> Actor | None:
    """Whom the server names as the one who shares; None when we don't know them. Their rights are checked later."""
    found = browser_links.person_named(identifiers.uuid_or_none(user_id))
    return Actor(found, origin) if found else None


def _check_organization(request, organization_id) -> None:
    if organization_id != request.tenant.organization_id:
        raise wire.forbidden("This token belongs to another organization.")
