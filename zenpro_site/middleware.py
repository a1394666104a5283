from orgs.users.models import Origin


def origin(get_response):
    """Tell the acting person where she comes from; audit rows read it from her."""

    def middleware(request):
        via = "admin" if request.path.startswith("/admin/") else "page"
        if request.path.startswith("/api/"):
            via = "api"
        request_id = request.headers.get("X-Request-Id", "") or getattr(request, "request_id", "")
        request.origin = Origin(via=via, ip=request.META.get("REMOTE_ADDR"), request_id=str(request_id)[:64])
        return get_response(request)

    return middleware
