"""The provider's own pages, and two that make tests short: be anybody, and add an address to come back to."""

from allauth.account.models import EmailAddress
from allauth.idp.oidc.models import Client
from django.contrib.auth import get_user_model, login
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import include, path

BACKEND = "django.contrib.auth.backends.ModelBackend"
FORM = """<!doctype html><title>Provider</title><form method="post">
<label>Who <input name="who"></label><label>Name <input name="name"></label>
<label>Email <input name="email"></label><label>Verified <input type="checkbox" name="verified" value="1"></label>
<button>Sign in</button></form>"""


def enter(request):
    """Sign in as `who`, made when there is nobody of that name, with what is posted."""
    if request.method != "POST":
        return HttpResponse(FORM)
    user, _ = get_user_model().objects.get_or_create(username=request.POST["who"])
    user.first_name, _, user.last_name = request.POST.get("name", "").partition(" ")
    user.save()
    EmailAddress.objects.filter(user=user).delete()
    EmailAddress.objects.filter(email=request.POST.get("email")).delete()
    if email := request.POST.get("email"):
        verified = bool(request.POST.get("verified"))
        EmailAddress.objects.create(user=user, email=email, primary=True, verified=verified)
    login(request, user, backend=BACKEND)
    return redirect(request.GET.get("next", "/enter/"))


def come_back_to(request):
    client = Client.objects.get()
    client.redirect_uris += "\n" + request.POST["uri"]
    client.save()
    return HttpResponse("ok")


urlpatterns = [
    path("enter/", enter),
    path("come-back-to/", come_back_to),
    path("", include("allauth.idp.urls")),
]
