from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from orgs.models import Organization

THEMES = {"light", "dark"}


@require_safe
@login_required
def home(request):
    """The first organization of the person, or the page that says she has none."""
    first = Organization.objects.of(request.user).order_by("name").first()
    return redirect(first) if first else redirect("users:no_organization")


@require_safe
def livez(request):
    """The process answers."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
def readyz(request):
    """The database answers and has all migrations."""
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return JsonResponse(
        {"ready": not waiting, "migrations_waiting": len(waiting)}, status=503 if waiting else 200
    )


@require_POST
def theme(request):
    """Remember light or dark; anything else means as the system has it. Works without JavaScript."""
    back = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}):
        back = "/"
    response = redirect(back)
    chosen = request.POST.get("theme", "")
    if chosen in THEMES:
        response.set_cookie("theme", chosen, max_age=365 * 24 * 3600, samesite="Lax", secure=settings.HTTPS)
    else:
        response.delete_cookie("theme")
    return response
