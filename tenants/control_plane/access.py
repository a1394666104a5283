"""Who calls: a tenant's server or a person, by bearer token. Every endpoint is one of the two, or open."""

from functools import wraps
from http import HTTPStatus
from uuid import UUID

from django.db import connection
from django.db.models import DateTimeField
from django.http import JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from tenants.credentials.models import AccessToken, ApiKey, hash_token
from tenants.models import Tenant
from zenpro_site.common.identifiers import uuid_or_none

from .wire import UNREADABLE, WireError, forbidden, not_signed_in, unreadable

API_KEY = ApiKey.START
TIMES = DateTimeField()
# By hand: it runs for every question of every server, and building a query set costs five times as much.
TENANT_WITH = """
SELECT t.id, t.organization_id, t.desired_state
FROM control_plane_accesstoken a JOIN tenants_tenant t ON t.id = a.tenant_id
WHERE a.token_hash = %s AND a.kind = %s AND a.expires_at > %s"""


def endpoint(*methods: str):
    """Decorator of what anyone can call. JSON out, no CSRF, errors in ZenML's form.

    As with the other two, `home` on the request is the id of the tenant whose own address was called, else None.
    """
    return _endpoint(methods, "open", lambda request: None)


def user_endpoint(*methods: str):
    """Decorator of what a person's token can call; puts that AccessToken on the request as `token`.

    Raw API keys are refused: a server takes them for a service account without limits (protocol §13.1).
    """
    return _endpoint(methods, "user token", _admit_person)


def server_endpoint(*methods: str):
    """Decorator of what a tenant's server can call; puts that tenant, and no other, on the request as `tenant`."""
    return _endpoint(methods, "server token", _admit_server)


def _endpoint(methods, access, admit):
    def decorate(view):
        @wraps(view)
        def wrapper(request, *args, home=None, **kwargs):
            request.home = home
            try:
                _check_method(request, methods)
                admit(request)
                answer = view(request, *args, **kwargs)
            except WireError as error:
                return error.response()
            except UNREADABLE as error:
                return unreadable(error).response()
            return JsonResponse(answer, safe=False)

        wrapper.access = access
        return csrf_exempt(wrapper)

    return decorate


def _check_method(request, methods) -> None:
    if request.method not in methods:
        raise WireError(
            HTTPStatus.METHOD_NOT_ALLOWED, "MethodNotAllowedError", f"Use {' or '.join(methods)} here."
        )


def bearer(request) -> str:
    """The token of the Authorization header, or "" when there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _admit_person(request) -> None:
    presented = bearer(request)
    if presented.startswith(API_KEY):
        raise not_signed_in("An API key must be exchanged for a token first.")
    tokens = AccessToken.objects.valid(presented).filter(kind=AccessToken.Kind.USER, user__is_active=True)
    request.token = tokens.select_related("user", "api_key").first()
    if request.token is None:
        raise not_signed_in("This token is not valid or has expired. Sign in again.")
    request.token.note_use()


def tenant_of(token: str) -> Tenant | None:
    """The tenant whose server holds this token, None when it is not valid. Other fields are loaded on access."""
    now = TIMES.get_db_prep_value(timezone.now(), connection)
    with connection.cursor() as cursor:
        cursor.execute(TENANT_WITH, [hash_token(token), AccessToken.Kind.SERVER, now])
        row = cursor.fetchone()
    if row is None:
        return None
    ids = [UUID(value) if isinstance(value, str) else value for value in row[:2]]
    return Tenant.from_db(connection.alias, ["id", "organization_id", "desired_state"], [*ids, row[2]])


def _admit_server(request) -> None:
    """401 makes a server log in again; 403 reaches its client as it is."""
    request.tenant = tenant_of(bearer(request))
    if request.tenant is None:
        raise not_signed_in("This token is not valid or has expired.")
    claimed = request.headers.get("zenml-server-id")
    is_another = claimed is not None and uuid_or_none(claimed) != request.tenant.pk
    if is_another or request.home not in (None, request.tenant.pk):
        raise forbidden("This token belongs to another tenant.")
    if request.tenant.desired_state != Tenant.DesiredState.AVAILABLE:
        raise forbidden("This tenant is deactivated.")
