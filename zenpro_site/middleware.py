from ipaddress import ip_address

from django.conf import settings
from django.utils.functional import SimpleLazyObject

from orgs.users.models import Origin


def discreet(get_response):
    """No cache keeps what a page or an answer says; files of ours are served before this and stay cached."""

    def middleware(request):
        response = get_response(request)
        if "no-store" not in response.headers.get("Cache-Control", ""):
            response.headers["Cache-Control"] = "no-store"
        return response

    return middleware


def origin(get_response):
    """Tell the acting person where she comes from; audit rows read it from her."""

    def middleware(request):
        request.origin = Origin(via=_via(request.path), ip=_ip(request), request_id=_request_id(request))
        person = request.user
        request.user = SimpleLazyObject(lambda: _with_origin(person, request.origin))
        return get_response(request)

    return middleware


def _with_origin(person, origin: Origin):
    person.origin = origin
    return person


def _via(path: str) -> str:
    if path.startswith(f"/{settings.ADMIN_URL}"):
        return "admin"
    return "api" if path.startswith("/api/") else "page"


def _ip(request) -> str | None:
    """The address that the outermost of our own proxies saw; what stands before it anybody may have written."""
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
