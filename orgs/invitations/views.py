from collections import Counter

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from orgs.access.gate import org_view, people_who_can, refuse
from orgs.access.places import places
from orgs.members.listing import counts_of
from orgs.permissions import Permission
from zenpro_site.common.htmx import partial_or_redirect, render_partial, wants
from zenpro_site.common.refusals import Refused

from . import actions
from .forms import BulkForm, InvitationFilter, InviteForm, LikeForm, StretchForm
from .headers import discreet

ROWS = 25
MOST_FOLLOWED = 500


@require_safe
@org_view(Permission.INVITATION_MANAGE)
def list(request):
    context = _list_context(request)
    if wants(request, "deliveries"):
        asked = [row for row in context["page"] if str(row.pk) in request.GET.getlist("row")]
        context |= _moving(asked) | {"asked": asked}
        return render_partial(request, "invitations/list.html#deliveries", context)
    return render_partial(request, "invitations/list.html#rows", context)


@require_safe
@org_view(Permission.INVITATION_MANAGE)
def deliveries(request):
    """What happened to the mails that the signed-in person sent within a stretch of time."""
    form = StretchForm(request.GET)
    stretch = (form.cleaned_data["since"], form.cleaned_data["until"]) if form.is_valid() else ()
    sent = request.org.invitations.filter(
        invited_by=request.user, sent_at__range=stretch or (timezone.now(),) * 2
    )
    context = _deliveries(sent.select_related("mail")[:MOST_FOLLOWED], stretch)
    list_url = reverse("invitations:list", args=[request.org.slug])
    return partial_or_redirect(request, "invitations/sent.html#deliveries", context, to=list_url)


def _deliveries(rows, stretch=()) -> dict:
    """How mails stand. `pause`: seconds until it is worth looking again; 0 when nothing moves any more."""
    count = Counter(row.delivery for row in rows)
    due = any(row.delivery == "queued" and not row.delivery_error for row in rows)
    pause = 2 if due else 5 if any(row.wait for row in rows) else 15 if count["queued"] else 0
    return {"rows": rows, "count": count, "pause": pause, "stretch": stretch}


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
                by=request.actor,
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
    """The member whose roles the new people should get, when the URL names one. Raises Http404 for anyone else."""
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
        made = iter(actions.invite_each(organization=request.org, wishes=wishes, by=request.actor))
    except Refused as refused:
        form.add_error(None, str(refused))
        return _bulk_page(request, form, lines)
    return _show_links(request, [next(made) if line.is_ready else line.left_out for line in lines])


def _bulk_form(request) -> BulkForm:
    data = request.POST if request.method == "POST" else None
    return BulkForm(data, org=request.org, rights=request.org_permissions)


def _bulk_page(request, form, lines=None, unseen=False):
    """`unseen`: what was to be sent differs from what had been shown."""
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
        result = actions.renew(invitation=invitation, by=request.actor)
    except Refused as refused:
        context = {**_list_context(request), "refused": str(refused)}
        return render_partial(request, "invitations/list.html#rows", context, status=409)
    return _show_links(request, [result])


@require_POST
@org_view(Permission.INVITATION_MANAGE)
def retry(request, invitation):
    invitation = get_object_or_404(_open(request), pk=invitation)
    try:
        actions.retry_delivery(invitation=invitation, by=request.actor)
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, f"The email to {invitation.email} will be sent again.")
    context = _list_context(request)
    return partial_or_redirect(request, "invitations/list.html#rows", context, to=invitation)


@require_POST
@org_view(Permission.INVITATION_MANAGE)
def retry_all(request):
    """After the mail server was away for long."""
    count = actions.retry_failed(organization=request.org, by=request.actor)
    if count:
        messages.success(request, f"{count} email{'' if count == 1 else 's'} will be sent again.")
    else:
        messages.error(request, "No emails can be sent again. Create new links.")
    return redirect("invitations:list", request.org.slug)


@require_POST
@org_view(Permission.INVITATION_MANAGE)
def revoke(request, invitation):
    invitation = get_object_or_404(_open(request), pk=invitation)
    try:
        actions.revoke(invitation=invitation, by=request.actor)
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(
            request, f"The invitation for {invitation.email} was revoked. Its link no longer works."
        )
    context = _list_context(request)
    return partial_or_redirect(request, "invitations/list.html#rows", context, to=invitation)


def _open(request):
    return request.org.invitations.open().select_related("organization", "invited_by")


def _counts(request, found) -> dict:
    """Numbers of the tabs, and of the mails that could be tried again."""
    lost = found.filter(mail__state="failed", expires_at__gt=timezone.now())
    return counts_of(request.org) | {"failed": lost.count()}


def _moving(rows) -> dict:
    """Rows of the list that change by themselves, and how long to wait before looking at them again."""
    return {"moving": [row for row in rows if row.moves], "pause": _deliveries(rows)["pause"]}


def _list_context(request) -> dict:
    found = _open(request)
    filtered = InvitationFilter(request.GET, found)
    rows = places().with_promises(filtered.qs.prefetch_related("teams"))
    page = Paginator(rows, ROWS).get_page(request.GET.get("page"))
    may_invite = people_who_can(Permission.INVITATION_MANAGE, request.org)
    alive = set(may_invite.filter(pk__in=[row.invited_by_id for row in page]).values_list("pk", flat=True))
    names = dict(request.org.roles.organization_level().values_list("slug", "name"))
    for row in page:
        row.role_name = names.get(row.role, row.role)
        row.is_dead = row.invited_by_id not in alive
    return {
        "page": page,
        **_moving(page.object_list),
        "filter": filtered,
        "is_filtered": any(request.GET.get(name) for name in ("q", "state")),
        **_counts(request, found),
        "can_manage": Permission.MEMBER_MANAGE in request.org_permissions,
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
        **_deliveries(made, made and (made[0].sent_at, made[-1].sent_at)),
    }
    return discreet(render(request, "invitations/sent.html", context))
