from allauth.account.views import email as change_email
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from orgs.access.factors import has_two_factor
from orgs.invitations.actions import waiting_for
from orgs.users import actions

from . import actions as accounts
from . import sessions as signed_in
from .forms import ProfileForm


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def settings(request):
    name = request.user.name
    form = ProfileForm(request.POST if request.method == "POST" else None, instance=request.user)
    if form.is_valid():
        actions.rename_person(person=request.user, name=form.cleaned_data["name"], by=request.actor)
        messages.success(request, "Saved.")
        return redirect("users:settings")
    request.user.name = name  # the form has written into the person that the frame of the page shows
    context = {
        "form": form,
        "memberships": request.user.memberships.select_related("organization").order_by("organization__name"),
        "invitations": waiting_for(request.user),
        "has_two_factor": has_two_factor(request.user),
    }
    return render(request, "users/settings.html", context, status=422 if form.errors else 200)


@require_safe
@login_required
def no_organization(request):
    """For people who are in no organization (yet, or any more)."""
    if request.user.memberships.exists():
        return redirect("home")
    return render(request, "users/no_organization.html", {"invitations": waiting_for(request.user)})


@login_required
def email(request):
    """allauth's page to change the address; the address in use has to be known to it first."""
    accounts.settle_address(person=request.user)
    return change_email(request)


@never_cache
@require_safe
@login_required
def sessions(request):
    """Where the person is signed in."""
    signed_in.note(request)
    return render(request, "users/sessions.html", {"sessions": signed_in.of(request)})


@require_POST
@login_required
def session_end(request, session):
    row = get_object_or_404(request.user.usersession_set, pk=session)
    if row.session_key == request.session.session_key:
        return redirect("account_logout")
    accounts.end_session(session=row, by=request.actor)
    messages.success(request, f"{signed_in.browser_of(row.user_agent)} was signed out.")
    return redirect("users:sessions")


@require_POST
@login_required
def sign_out_everywhere(request):
    accounts.sign_out_everywhere(person=request.user, by=request.actor)
    signed_in.keep(request, request.user)
    messages.success(request, "You are signed out everywhere else.")
    return redirect("users:sessions")
