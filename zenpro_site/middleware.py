from http import HTTPStatus
from ipaddress import ip_address

import structlog
from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.template.loader import render_to_string

from orgs.access.gate import act_as
from orgs.users.models import Origin
from tenants.control_plane.wire import WireError
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


def cut_short(get_response):
    """Say in plain words that a statement was cut, in the form the caller reads, and log which one."""

    def middleware(request):
        return get_response(request)

    def process_exception(request, exception):
        if not was_cut(exception):
            return None
        log.error("a statement was cut", path=request.path, statement=getattr(exception, "statement", ""))
        return _too_long(request)

    middleware.process_exception = process_exception
    return middleware


def _too_long(request):
    """Servers and clients of ZenML wait for minutes after a 503, so they are told 500 (protocol §9)."""
    if request.path.startswith("/api/v1/"):
        return JsonResponse({"detail": TOO_LONG}, status=HTTPStatus.SERVICE_UNAVAILABLE)
    if request.path.startswith("/api/"):
        return WireError(HTTPStatus.INTERNAL_SERVER_ERROR, "RuntimeError", TOO_LONG).response()
    # Without the request: the frame of a page would ask the database again.
    return HttpResponse(render_to_string("503.html"), status=HTTPStatus.SERVICE_UNAVAILABLE)
