"""The page behind the link of an invitation."""

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.views import redirect_to_login
from django.db.models import Count, OuterRef, Subquery
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from orgs.access.places import places
from zenpro_site.common.refusals import Refused

from . import actions
from .forms import NewAccountForm
from .headers import discreet

OUR_LOGIN = "allauth.account.auth_backends.AuthenticationBackend"


@require_http_methods(["GET", "HEAD", "POST"])
def accept(request, token):
    """GET only shows, so a mail scanner that follows the link doesn't use it up."""
    invitation = actions.find(token)
    if invitation is None:
        return discreet(_gone(request))
    account = actions.account_of(invitation.email)
    if request.user.is_authenticated and request.user != account:
        return discreet(_wrong_account(request, invitation))
    answer = _as_new if account is None else _as_known
    try:
        return discreet(answer(request, token, invitation))
    except actions.Gone:  # someone else used it between the look and the act
        return discreet(_gone(request))


def _gone(request):
    return render(request, "invitations/gone.html", status=404)


def _wrong_account(request, invitation):
    status = 403 if request.method == "POST" else 200
    return render(request, "invitations/wrong_account.html", {"invitation": invitation}, status=status)


def _as_new(request, token, invitation):
    form = NewAccountForm(request.POST if request.method == "POST" else None, email=invitation.email)
    if form.is_valid():
        chosen = {name: form.cleaned_data[name] for name in ("name", "password")}
        try:
            membership = actions.accept_as_new(token=token, origin=request.origin, **chosen)
        except Refused as refused:
            form.add_error(None, str(refused))
        else:
            login(request, membership.user, backend=OUR_LOGIN)
            return _welcome(request, membership)
    return _invitation_page(request, invitation, form=form, status=422 if form.errors else 200)


def _as_known(request, token, invitation):
    if not request.user.is_authenticated:
        if request.method == "POST":
            return redirect_to_login(request.get_full_path())
        return _invitation_page(request, invitation)
    if request.method == "POST":
        return _welcome(request, actions.accept(token=token, by=request.actor))
    return _invitation_page(request, invitation)


def _welcome(request, membership):
    messages.success(request, f"Welcome to {membership.organization.name}.")
    return redirect(membership.organization)


def _invitation_page(request, invitation, form=None, status=200):
    roles = invitation.organization.roles.organization_level()
    named = roles.filter(slug=OuterRef("org_role")).values("name")
    teams = invitation.teams.annotate(people=Count("user"), org_role_name=Subquery(named))
    for team in teams:
        team.brings = places().roles_of_team(team)
    context = {
        "invitation": invitation,
        "inviter_role": _role_of(invitation.invited_by, invitation.organization),
        "role": roles.get(slug=invitation.role),
        "teams": teams,
        "tenant_grants": places().still_promised(invitation),
        "form": form,
    }
    return render(request, "invitations/accept.html", context, status=status)


def _role_of(person, organization) -> str:
    membership = organization.memberships.filter(user=person).first()
    role = membership and organization.roles.organization_level().filter(slug=membership.role).first()
    return role.name if role else "Administrator of this installation"
