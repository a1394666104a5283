from django.conf import settings
from django.utils.functional import SimpleLazyObject

from orgs.users.models import Origin


def origin(get_response):
    """Tell the acting person where she comes from; audit rows read it from her."""

    def middleware(request):
        request.origin = Origin(
            via=_via(request.path), ip=request.META.get("REMOTE_ADDR"), request_id=_request_id(request)
        )
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


def _request_id(request) -> str:
    found = request.headers.get("X-Request-Id", "") or getattr(request, "request_id", "")
    return str(found)[:64]
