from collections import Counter

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.views import redirect_to_login
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from orgs.access import org_view, people_who_can, refuse
from orgs.actions import Refused
from orgs.permissions import Permission
from zenpro_site.htmx import partial_or_redirect, render_partial, wants

from . import actions
from .forms import BulkForm, InvitationFilter, InviteForm, LikeForm, NewAccountForm, SinceForm

ROWS = 50
MOST_FOLLOWED = 500
OUR_LOGIN = "allauth.account.auth_backends.AuthenticationBackend"


@require_safe
@org_view(Permission.INVITATION_MANAGE)
def list(request):
    context = _list_context(request)
    if wants(request, "deliveries"):
        return render_partial(request, "invitations/list.html#deliveries", context)
    return render_partial(request, "invitations/list.html#rows", context)


@require_safe
@org_view(Permission.INVITATION_MANAGE)
def deliveries(request):
    """What became of the mails that the person of the request has caused since a moment."""
    form = SinceForm(request.GET)
    since = form.cleaned_data["since"] if form.is_valid() else timezone.now()
    hers = request.org.invitations.filter(invited_by=request.user, sent_at__gte=since)
    context = _deliveries(hers.select_related("mail")[:MOST_FOLLOWED], since)
    list_url = reverse("invitations:list", args=[request.org.slug])
    return partial_or_redirect(request, "invitations/sent.html#deliveries", context, to=list_url)


def _deliveries(rows, since=None) -> dict:
    """How mails stand. `pause`: seconds until it is worth to look again; 0 when nothing moves any more."""
    count = Counter(row.delivery for row in rows)
    due = any(row.delivery == "queued" and not row.delivery_error for row in rows)
    pause = 2 if due else 5 if any(row.wait for row in rows) else 15 if count["queued"] else 0
    return {"rows": rows, "count": count, "pause": pause, "since": since}


@require_http_methods(["GET", "HEAD", "POST"])
@org_view(Permission.INVITATION_MANAGE)
def create(request):
    data = request.POST if request.method == "POST" else None
    model = _model_member(request)
    form = InviteForm(data, org=request.org, rights=request.org_permissions)
    left_out = form.be_like(model, request.user) if model else []
    if form.is_valid():
        try:
            results = actions.invite(
                organization=request.org,
                addresses=form.cleaned_data["addresses"],
                offer=form.offer,
                by=request.user,
            )
        except Refused as refused:
            form.add_error(None, str(refused))
        else:
            return _show_links(request, results)
    context = {
        "form": form,
        "model": model,
        "left_out": left_out,
        "mail_is_set_up": settings.MAIL_IS_SET_UP,
    }
    return render_partial(
        request, "invitations/create.html#modal", context, status=422 if form.errors else 200
    )


def _model_member(request):
    """The member whom the invited shall be like, when the address names one. Raises Http404 for anybody else."""
    if "like" not in request.GET:
        return None
    if Permission.MEMBER_VIEW not in request.org_permissions:
        refuse(request, Permission.MEMBER_VIEW, request.org)
    form = LikeForm(request.GET, org=request.org)
    if not form.is_valid():
        raise Http404
    return form.cleaned_data["like"]


@require_http_methods(["GET", "HEAD", "POST"])
@org_view(Permission.INVITATION_MANAGE)
def bulk(request):
    """Show what a pasted list would do; a POST is a question and changes nothing."""
    form = _bulk_form(request)
    return _bulk_page(request, form, form.lines(request.user) if form.is_valid() else None)


@require_POST
@org_view(Permission.INVITATION_MANAGE)
def bulk_send(request):
    form = _bulk_form(request)
    if not form.is_valid():
        return _bulk_page(request, form)
    lines = form.lines(request.user)
    wishes = [(line.address, line.offer) for line in lines if line.is_ready]
    if not wishes or form.cleaned_data["checked"] != form.fingerprint:
        return _bulk_page(request, form, lines, unseen=bool(wishes))
    try:
        made = iter(actions.invite_each(organization=request.org, wishes=wishes, by=request.user))
    except Refused as refused:
        form.add_error(None, str(refused))
        return _bulk_page(request, form, lines)
    return _show_links(request, [next(made) if line.is_ready else line.left_out for line in lines])


def _bulk_form(request) -> BulkForm:
    data = request.POST if request.method == "POST" else None
    return BulkForm(data, org=request.org, rights=request.org_permissions)


def _bulk_page(request, form, lines=None, unseen=False):
    """`unseen`: something else was to be sent than what had been shown."""
    context = {
        "form": form,
        "lines": lines,
        "ready": sum(line.is_ready for line in lines or ()),
        "unseen": unseen,
        "mail_is_set_up": settings.MAIL_IS_SET_UP,
    }
    status = 422 if form.errors else 409 if unseen else 200
    return render(request, "invitations/bulk.html", context, status=status)


@require_POST
@org_view(Permission.INVITATION_MANAGE)
def renew(request, invitation):
    invitation = get_object_or_404(_open(request), pk=invitation)
    try:
        result = actions.renew(invitation=invitation, by=request.user)
    except Refused as refused:
        context = {**_list_context(request), "refused": str(refused)}
        return render_partial(request, "invitations/list.html#rows", context, status=409)
    return _show_links(request, [result])


@require_POST
@org_view(Permission.INVITATION_MANAGE)
def retry(request, invitation):
    invitation = get_object_or_404(_open(request), pk=invitation)
    try:
        actions.retry_delivery(invitation=invitation, by=request.user)
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, f"The mail to {invitation.email} will be sent again.")
    context = _list_context(request)
    return partial_or_redirect(request, "invitations/list.html#rows", context, to=invitation)


@require_POST
@org_view(Permission.INVITATION_MANAGE)
def revoke(request, invitation):
    invitation = get_object_or_404(_open(request), pk=invitation)
    try:
        actions.revoke(invitation=invitation, by=request.user)
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, f"The invitation of {invitation.email} is revoked. Its link is dead.")
    context = _list_context(request)
    return partial_or_redirect(request, "invitations/list.html#rows", context, to=invitation)


def _open(request):
    return request.org.invitations.open().select_related("organization", "invited_by")


def _list_context(request) -> dict:
    found = _open(request)
    filtered = InvitationFilter(request.GET, found)
    rows = filtered.qs.prefetch_related("teams", "tenant_grants__tenant", "tenant_grants__role")
    page = Paginator(rows, ROWS).get_page(request.GET.get("page"))
    may_invite = people_who_can(Permission.INVITATION_MANAGE, request.org)
    alive = set(may_invite.filter(pk__in=[row.invited_by_id for row in page]).values_list("pk", flat=True))
    names = dict(request.org.roles.organization_level().values_list("slug", "name"))
    for row in page:
        row.role_name = names.get(row.role, row.role)
        row.is_dead = row.invited_by_id not in alive
    moving = _deliveries(page.object_list)
    return {
        "page": page,
        "pause": moving["pause"],
        "filter": filtered,
        "is_filtered": any(request.GET.get(name) for name in ("q", "state")),
        "people": request.org.memberships.filter(user__is_service_account=False).count(),
        "robots": request.org.memberships.filter(user__is_service_account=True).count(),
        "can_manage": Permission.MEMBER_MANAGE in request.org_permissions,
        "invitations": found.count(),
        "mail_is_set_up": settings.MAIL_IS_SET_UP,
    }


def _show_links(request, results):
    """The answer to the POST itself: links are known now and never again, so there is nothing to redirect to."""
    made = [result.invitation for result in results if result.token]
    context = {
        "results": results,
        "sent": len(made),
        "all_links": "\n".join(f"{result.address} {result.link}" for result in results if result.token),
        "mail_is_set_up": settings.MAIL_IS_SET_UP,
        **_deliveries(made, min((row.sent_at for row in made), default=None)),
    }
    return _discreet(render(request, "invitations/sent.html", context))


def _discreet(response):
    """Pages with a token: kept by no cache, told to no other site."""
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def accept(request, token):
    """GET only shows, so a mail scanner that follows the link uses nothing up."""
    invitation = actions.find(token)
    if invitation is None:
        return _discreet(_gone(request))
    account = actions.account_of(invitation.email)
    if request.user.is_authenticated and request.user != account:
        return _discreet(_wrong_account(request, invitation))
    answer = _as_new if account is None else _as_known
    try:
        return _discreet(answer(request, token, invitation))
    except actions.Gone:  # somebody else used it between the look and the act
        return _discreet(_gone(request))


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
        request.user.origin = request.origin
        return _welcome(request, actions.accept(token=token, by=request.user))
    return _invitation_page(request, invitation)


def _welcome(request, membership):
    messages.success(request, f"Welcome to {membership.organization}.")
    return redirect(membership.organization)


def _invitation_page(request, invitation, form=None, status=200):
    teams = invitation.teams.annotate(people=Count("user"))
    for team in teams:
        team.brings = _still_given(team.tenant_grants.valid())
    roles = invitation.organization.roles.organization_level()
    context = {
        "invitation": invitation,
        "inviter_role": _role_of(invitation.invited_by, invitation.organization),
        "role": roles.get(slug=invitation.role),
        "teams": teams,
        "tenant_grants": _still_given(invitation.tenant_grants.all()),
        "form": form,
    }
    return render(request, "invitations/accept.html", context, status=status)


def _still_given(grants):
    return grants.exclude(tenant__desired_state="deleted").select_related("tenant", "role")


def _role_of(person, organization) -> str:
    membership = organization.memberships.filter(user=person).first()
    role = membership and organization.roles.organization_level().filter(slug=membership.role).first()
    return role.name if role else "Administrator of this installation"
