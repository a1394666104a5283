"""Assigning, changing and removing roles on a tenant. Each page first says who gains and who loses."""

from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from orgs.teams.models import Team
from tenants.access import actions as grant_actions
from tenants.access import grant_effects
from tenants.access.forms import GrantForm, RolesForm
from tenants.access.gate import tenant_view
from tenants.access.holder_fields import holder_value, suggestions, typed
from tenants.access.matrix.grid import cell_id, cell_of
from tenants.models.tenant_permissions import TenantPermission
from zenpro_site.common.htmx import instead_into, render_partial, wants
from zenpro_site.common.refusals import Refused

REVIEW = "review"  # only shows the effect: nothing is written


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.ACCESS)
def grant_give(request):
    """The URL can fill the form in: ?holder=person:<uuid>&role=<uuid>."""
    if wants(request, "holders"):
        return render(request, "access/_holders.html", {"holders": suggestions(request.org, typed(request))})
    form = GrantForm(_data(request, "holder"), org=request.org, search_at=request.path)
    ready = form.is_bound and form.is_valid()
    if ready and request.method == "POST" and not request.POST.get(REVIEW):
        return _give(request, form.cleaned_data)
    context = {"tenant": request.tenant, "form": form, "roles": request.org.roles.tenant_level()}
    if ready:
        values = form.cleaned_data
        context["effect"] = grant_effects.of_giving(request.tenant, values["holder"], values["role"])
        context |= {"ends": values["expires_at"], "told_by_mail": settings.MAIL_IS_SET_UP}
    return _form_page(request, "access/grant.html#modal", "access/grant.html#effect", context, form)


def _data(request, name: str):
    """What the form is filled in with: what was posted, or what the URL says."""
    if request.method == "POST":
        return request.POST
    return request.GET if name in request.GET else None


def _form_page(request, modal: str, effect: str, context: dict, form):
    """The effect alone for a form that asks for it, else the form; errors are shown only after a POST."""
    if wants(request, "effect"):
        return render(request, effect, context)
    wrong = form.errors and request.method == "POST"
    return render_partial(request, modal, context, status=422 if wrong else 200)


def _give(request, values):
    holder, role, end = values["holder"], values["role"], values["expires_at"]
    held = {grant.role: grant for grant in grant_actions.direct_roles(tenant=request.tenant, holder=holder)}
    try:
        grant = grant_actions.give_grant(
            tenant=request.tenant, holder=holder, role=role, by=request.actor, expires_at=end
        )
    except Refused as error:
        messages.error(request, str(error))
        return redirect("tenants:members", request.org.slug, request.tenant.slug)
    back = {"holder": holder_value(holder), "role": role.pk, **_end_of(held[role])} if role in held else {}
    undo = _undo(request, "grant_give", back) if back else _undo(request, "grant_withdraw", {}, grant.pk)
    messages.success(
        request, f"{grant_actions.holder_name(holder)} is now {role}{_until(grant)}.", extra_tags=undo
    )
    return redirect("tenants:members", request.org.slug, request.tenant.slug)


def _until(grant) -> str:
    return f" until {timezone.localtime(grant.expires_at):%-d %b %Y}" if grant.expires_at else ""


def _end_of(grant) -> dict:
    return {"expires_on": f"{timezone.localtime(grant.expires_at):%Y-%m-%d}"} if grant.expires_at else {}


def _undo(request, page: str, fields: dict, *args) -> str:
    path = reverse(f"tenants:{page}", args=[request.org.slug, request.tenant.slug, *args])
    return f"undo:{path}?{urlencode(fields, doseq=True)}"


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.ACCESS)
def grant_withdraw(request, grant):
    grants = request.tenant.grants.select_related("role", "membership__user", "team", "tenant")
    grant = get_object_or_404(grants, pk=grant)
    if request.method != "POST":
        context = {"tenant": request.tenant, "grant": grant, "effect": grant_effects.of_withdrawing(grant)}
        context["who"] = grant_actions.holder_name(grant.holder)
        return render_partial(request, "access/withdraw.html#modal", context)
    fields = {"holder": holder_value(grant.holder), "role": grant.role_id, **_end_of(grant)}
    who, role = grant_actions.holder_name(grant.holder), grant.role
    grant_actions.withdraw_grant(grant=grant, by=request.actor)
    undo = "" if grant.is_over else _undo(request, "grant_give", fields)
    messages.success(request, f"{who} no longer has the {role} role here.", extra_tags=undo)
    return redirect("tenants:members", request.org.slug, request.tenant.slug)


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.ACCESS)
def person_roles(request, membership):
    people = request.org.memberships.select_related("user", "organization")
    return _roles(request, get_object_or_404(people, pk=membership))


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.ACCESS)
def team_roles(request, team):
    return _roles(request, get_object_or_404(request.org.teams.select_related("organization"), uuid=team))


def _roles(request, holder):
    """All roles of one holder in one form: from the members page in a dialog, from the matrix in a cell's menu."""
    held = grant_actions.direct_roles(tenant=request.tenant, holder=holder)
    form = RolesForm(_data(request, "role"), org=request.org, held=held)
    ready = form.is_bound and form.is_valid()
    if ready and request.method == "POST" and not request.POST.get(REVIEW):
        return _set(request, holder, held, form.cleaned_data["roles"])
    context = _roles_context(request, holder, held, form)
    if ready:
        context["effect"] = grant_effects.of_setting(request.tenant, holder, form.cleaned_data["roles"])
    if any(wants(request, place) for place in ("cell-menu", "holder-roles")):
        return render(request, "access/roles.html#modal", context)
    if wants(request, context["cell"]):
        return instead_into(render(request, "access/roles.html#modal", context), "cell-menu")
    return _form_page(request, "access/roles.html#modal", "access/roles.html#effect", context, form)


def _roles_context(request, holder, held, form) -> dict:
    posted = request.POST if request.method == "POST" else request.GET
    return {
        "tenant": request.tenant,
        "holder": holder,
        "who": grant_actions.holder_name(holder),
        "people": holder.user_set.count() if isinstance(holder, Team) else None,
        "form": form,
        "several": len(held) > 1 or "several" in posted or len(form.chosen) > 1,
        "on": posted.get("on", ""),
        "at": posted.get("at", ""),
        "cell": cell_id(holder, request.tenant) if isinstance(holder, Team) else "",
        "back": _where_from(request, posted),
    }


def _where_from(request, posted) -> str:
    """The page the form was opened on: the matrix with its filters, or the members of the tenant."""
    if posted.get("on") != "matrix":
        return reverse("tenants:members", args=[request.org.slug, request.tenant.slug])
    path = reverse("matrix:grid", args=[request.org.slug])
    return f"{path}?{posted['at']}" if posted.get("at") else path


def _set(request, holder, held, roles):
    given = None
    try:
        given = grant_actions.set_grants(tenant=request.tenant, holder=holder, roles=roles, by=request.actor)
    except Refused as error:
        messages.error(request, str(error))
    else:
        text, undo = "Nothing changed.", ""
        if given is not None:
            text, undo = _told(holder, roles), _undo_of_set(request, holder, held)
        messages.success(request, text, extra_tags=undo)
    return _after(request, holder, given)


def _told(holder, roles) -> str:
    who = grant_actions.holder_name(holder)
    names = " and ".join(role.name for role in roles)
    return (
        f"{who[:1].upper()}{who[1:]} is now {names}."
        if roles
        else f"{who[:1].upper()}{who[1:]} no longer has a role here."
    )


def _undo_of_set(request, holder, held) -> str:
    fields = {"role": [grant.role_id for grant in held] or ""}
    fields |= {name: request.POST[name] for name in ("on", "at") if request.POST.get(name)}
    fields |= {RolesForm.name_of(g.role): _end_of(g)["expires_on"] for g in held if g.expires_at}
    is_team = isinstance(holder, Team)
    return _undo(
        request, "team_roles" if is_team else "person_roles", fields, holder.uuid if is_team else holder.pk
    )


def _after(request, holder, held):
    """The changed cell of the matrix, or back to where the form was opened. `held`: its roles now, if they changed."""
    tenant = request.tenant
    if isinstance(holder, Team) and wants(request, cell_id(holder, tenant)):
        if held is None:
            held = grant_actions.direct_roles(tenant=tenant, holder=holder)
        return render(request, "access/matrix/_cell.html", {"cell": cell_of(holder, tenant, held)})
    return redirect(_where_from(request, request.POST))
