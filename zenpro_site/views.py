from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from orgs.models import Organization
from orgs.users.first_sign_in import user_of
from zenpro_site import table_version

THEMES = {"light", "dark"}
TOO_LARGE = (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)


def bad_request(request, exception):
    """What cannot be read; a form that is too large for one request is told apart, and how to go on."""
    context = {"too_large": isinstance(exception, TOO_LARGE)}
    return render(request, "400.html", context, status=400)


@require_safe
@login_required
def home(request):
    """The first organization of the person, or the page that says they have none."""
    first = Organization.objects.of(request.user).order_by("name").first()
    return redirect(first) if first else redirect("users:no_organization")


@require_safe
def livez(request):
    """The process answers."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
def readyz(request):
    """The database answers and has all migrations."""
    waiting = table_version.migrations_waiting()
    return JsonResponse({"ready": not waiting, "migrations_waiting": waiting}, status=503 if waiting else 200)


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


@never_cache
def first_sign_in(request, uid, token):
    """The link that the first start prints. GET only asks, so that a mail or chat preview cannot use it up."""
    user = user_of(uid, token)
    if user is None:
        return render(request, "users/first_sign_in.html", {"person": None}, status=404)
    if request.method == "POST":
        login(request, user, backend="allauth.account.auth_backends.AuthenticationBackend")
        return redirect("home")
    return render(request, "users/first_sign_in.html", {"person": user})
