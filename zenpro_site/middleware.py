"""What every request passes on its way to a view, in the order of settings.MIDDLEWARE.

Each asks here whether it has anything to do, and calls what knows how only then.
"""

from http import HTTPStatus
from ipaddress import ip_address

import structlog
from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers

from orgs.access.gate import NeedsTwoFactor, act_as
from orgs.access.required_two_factor import set_up_first
from orgs.users import sessions
from orgs.users.models import Origin
from tenants.control_plane.wire import WireError
from zenpro_site.common import characters, htmx
from zenpro_site.common.statements import was_cut

log = structlog.get_logger("zenpro.web")
TOO_LONG = "The database took too long to answer. Try again in a moment."


def discreet(get_response):
    """No cache keeps what a page or an answer says; files of ours are served before this and stay cached."""

    def middleware(request):
        response = get_response(request)
        if "no-store" not in response.headers.get("Cache-Control", ""):
            response.headers["Cache-Control"] = "no-store"
        return response

    return middleware


def readable(get_response):
    """Refuse what no database takes, in path, query, header, cookie, form or JSON, before anyone reads the request."""

    def middleware(request):
        return characters.refused(request) or get_response(request)

    return middleware


def origin(get_response):
    """Note where the request comes from, and who acts; audit rows tell both."""

    def middleware(request):
        request.origin = Origin(via=_via(request.path), ip=_ip(request), request_id=_request_id(request))
        act_as(request, request.user)
        return get_response(request)

    return middleware


def _via(path: str) -> str:
    if path.startswith(f"/{settings.ADMIN_URL}"):
        return "admin"
    return "api" if path.startswith("/api/") else "page"


def _ip(request) -> str | None:
    """The address that the outermost of our own proxies saw; what stands before it anyone may have written."""
    seen = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    proxies = settings.ZENPRO_PROXIES
    found = seen[-proxies] if 0 < proxies <= len(seen) else request.META.get("REMOTE_ADDR")
    try:
        return str(ip_address(found or ""))
    except ValueError:
        return None


def _request_id(request) -> str:
    found = request.headers.get("X-Request-Id", "") or getattr(request, "request_id", "")
    return str(found)[:64]


def fragments(get_response):
    """Answer htmx in its own way. Every answer varies on its headers."""

    def middleware(request):
        htmx.take_seen(request)
        response = get_response(request)
        patch_vary_headers(response, htmx.HEADERS)
        return htmx.shaped(request, response) if request.htmx else response

    return middleware


def noted(get_response):
    """Remember from where and when a session was used. A page left open polls by itself; that does not count."""

    def middleware(request):
        polls = request.htmx and request.method == "GET"
        if settings.SESSION_COOKIE_NAME in request.COOKIES and not polls:
            sessions.note(request)
        return get_response(request)

    return middleware


def explained(get_response):
    """Answer two errors of any view: a second factor is missing, or the database was stopped."""

    def middleware(request):
        return get_response(request)

    def process_exception(request, exception):
        if isinstance(exception, NeedsTwoFactor):
            return set_up_first(request, exception.organization)
        return _too_long(request, exception) if was_cut(exception) else None

    middleware.process_exception = process_exception
    return middleware


def _too_long(request, exception):
    """Log which statement was cut, and say so in the form the caller reads.

    Servers and clients of ZenML wait for minutes after a 503, so they are told 500 (protocol §9).
    """
    log.error("a statement was cut", path=request.path, statement=getattr(exception, "statement", ""))
    if request.path.startswith("/api/v1/"):
        return JsonResponse({"detail": TOO_LONG}, status=HTTPStatus.SERVICE_UNAVAILABLE)
    if request.path.startswith("/api/"):
        return WireError(HTTPStatus.INTERNAL_SERVER_ERROR, "RuntimeError", TOO_LONG).response()
    # Without the request: the frame of a page would ask the database again.
    return HttpResponse(render_to_string("503.html"), status=HTTPStatus.SERVICE_UNAVAILABLE)
