from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from orgs.access.gate import org_view
from orgs.access.places import places
from orgs.audit.sentences import told
from orgs.permissions import Permission
from orgs.roles.rights_grid import ICONS, ORGANIZATION_WORDS, TENANT_GROUPS, grid, summary
from zenpro_site.common.htmx import render_partial
from zenpro_site.common.refusals import Refused

from . import actions
from .consequences import of_editing
from .editor import RightsEditor, known, nearest, ticked
from .exchange import as_json
from .forms import CreateForm, ImportForm, RoleDeleteForm, RoleForm
from .holders import holders
from .models import Role

RECENT = 5
CONFLICT = 409


@require_safe
@org_view(Permission.ROLE_VIEW)
def role_list(request):
    organization_roles, tenant_roles = _organization_roles(request), _tenant_roles(request)
    shown = next((role for role in tenant_roles if role.slug == request.GET.get("role")), tenant_roles[0])
    context = {
        "organization_roles": organization_roles,
        "organization_rows": _organization_rows(organization_roles),
        "tenant_roles": tenant_roles,
        "tenant_rows": _tenant_rows(tenant_roles),
        "shown": shown,
        "groups": [(ICONS[group], group, rows) for group, rows in grid(shown.rights).items()],
        "can_manage": _can_manage(request),
    }
    return render(request, "roles/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@org_view(Permission.ROLE_MANAGE)
def role_create(request):
    level = request.GET.get("level")
    level = level if level in Role.Level.values else Role.Level.TENANT
    roles = request.org.roles.filter(level=level).prefetch_related("permissions", "base__permissions")
    form = CreateForm(
        request.POST or None,
        instance=Role(organization=request.org, level=level),
        roles=roles,
        initial={"start": request.GET.get("start", "")},
    )
    if request.method == "POST" and form.is_valid():
        role = _made(request, form)
        if role:
            messages.success(request, f"Role {role} created. Select its rights.")
            return redirect(role)
    return render(request, "roles/create.html", {"form": form, "level": level}, status=_status(form))


@require_http_methods(["GET", "HEAD", "POST"])
@org_view(Permission.ROLE_MANAGE)
def role_import(request):
    form = ImportForm(request.POST or None, request.FILES or None, organization=request.org)
    if request.method == "POST" and form.is_valid():
        role = _made(request, form)
        if role:
            messages.success(request, f"Role {role} imported.")
            return redirect(role)
    return render(request, "roles/import.html", {"form": form}, status=_status(form))


@require_safe
@org_view(Permission.ROLE_VIEW)
def role_detail(request, role):
    role = _role(request, role)
    context = _detail(request, role, role.rights)
    return render_partial(request, "roles/detail.html#editor", context)


@require_POST
@org_view(Permission.ROLE_MANAGE)
def rights_preview(request, role):
    """What saving these ticks would change. Nothing is written."""
    role = _role(request, role)
    if "discard" in request.POST:
        return redirect(role)
    context = _detail(request, role, known(role, ticked(request.POST, role)))
    return render_partial(request, "roles/detail.html#editor", context)


@require_POST
@org_view(Permission.ROLE_MANAGE)
def rights_save(request, role):
    role = _role(request, role)
    rights = ticked(request.POST, role)
    try:
        change = actions.change_rights(
            role=role, rights=rights, version=request.POST.get("version", ""), by=request.actor
        )
    except Refused as error:
        conflict = isinstance(error, actions.Outdated)
        context = _detail(request, role, known(role, rights)) | {"refusal": str(error), "conflict": conflict}
        return render(request, "roles/detail.html", context, status=CONFLICT if conflict else 422)
    messages.success(request, _saved(role, change))
    return redirect(role)


@require_http_methods(["GET", "HEAD", "POST"])
@org_view(Permission.ROLE_MANAGE)
def role_edit(request, role):
    role = _own_role(request, role)
    name, form = role.name, RoleForm(request.POST or None, instance=role)
    if request.method == "POST" and form.is_valid():
        try:
            actions.update_role(role=role, by=request.actor, **form.cleaned_data)
        except Refused as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "Saved.")
            return redirect(role)
    context = {"role": role, "name": name, "form": form}
    return render(request, "roles/edit.html", context, status=_status(form))


@require_http_methods(["GET", "HEAD", "POST"])
@org_view(Permission.ROLE_MANAGE)
def role_delete(request, role):
    role = _own_role(request, role)
    needed = actions.in_use(role)
    form = RoleDeleteForm(request.POST if request.method == "POST" else None, role=role, needed=needed)
    if request.method == "POST" and form.is_valid():
        try:
            actions.delete_role(role=role, by=request.actor, replacement=form.cleaned_data["replacement"])
        except Refused as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"Role {role.name} deleted.")
            return redirect("roles:list", request.org.slug)
    context = {"role": role, "form": form, "needed": needed, "used": holders(role)}
    return render_partial(request, "roles/delete.html#modal", context)


@require_safe
@org_view(Permission.ROLE_VIEW)
def role_export(request, role):
    role = _role(request, role)
    response = HttpResponse(as_json(role), content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="role-{role.slug}.json"'
    return response


def _can_manage(request) -> bool:
    return Permission.ROLE_MANAGE in request.org_permissions


def _status(form) -> int:
    return 422 if form.errors else 200


def _made(request, form) -> Role | None:
    try:
        return actions.create_role(organization=request.org, by=request.actor, **form.about)
    except Refused as error:
        form.add_error(None, str(error))
        return None


def _role(request, pk) -> Role:
    roles = request.org.roles.select_related("organization", "base")
    return get_object_or_404(roles.prefetch_related("permissions", "base__permissions"), pk=pk)


def _own_role(request, pk) -> Role:
    """Predefined ones have no such page."""
    return get_object_or_404(
        request.org.roles.select_related("organization", "base"), pk=pk, predefined=False
    )


def _saved(role: Role, change) -> str:
    if not (change.added or change.removed):
        return "Nothing was changed."
    words = f"{role} saved: +{len(change.added)} −{len(change.removed)}."
    editor = RightsEditor(role, frozenset())
    if change.implied:
        words += f" Also added because other rights need it: {', '.join(editor.told(change.implied))}."
    return words


def _detail(request, role: Role, chosen: frozenset[str]) -> dict:
    why_locked = (
        "predefined" if role.predefined else "" if _can_manage(request) else "only an Admin can change it"
    )
    editor = RightsEditor(role, chosen, why_locked, _folded(request))
    compared = _compared(request, role, editor)
    return {
        "role": role,
        "editor": editor,
        "compared": compared,
        "differences": editor.differences(compared),
        "others": request.org.roles.filter(level=role.level).exclude(pk__in=[role.pk, compared.pk]),
        "used": holders(role),
        "effect": _effect(request, role, editor),
        "can_manage": _can_manage(request),
        "can_see_people": Permission.MEMBER_VIEW in request.org_permissions,
        "can_see_teams": Permission.TEAM_VIEW in request.org_permissions,
        **_history(request, role),
    }


def _effect(request, role: Role, editor: RightsEditor):
    """Who gains and who loses by the ticks that are not saved; None without any."""
    if not editor.number:
        return None
    rights = request.org_permissions
    return of_editing(
        role,
        editor.given,
        sees_people=Permission.MEMBER_VIEW in rights,
        sees_tenants=Permission.TENANT_MANAGE_ALL in rights,
    )


def _folded(request) -> set[str]:
    """Groups whose rows are out of sight; the button of one posts its name to change that."""
    return set(request.POST.getlist("folded")) ^ {request.POST.get("fold", "")}


def _compared(request, role: Role, editor: RightsEditor) -> Role:
    """The role to show differences to: the chosen one, its base, or the predefined one most like it."""
    others = request.org.roles.filter(level=role.level).exclude(pk=role.pk).prefetch_related("permissions")
    wanted = request.GET.get("against") or request.POST.get("against")
    chosen = next((other for other in others if other.slug == wanted), None)
    predefined = [other for other in others if other.predefined]
    return chosen or role.base or nearest(editor.had, predefined)


def _history(request, role: Role) -> dict:
    events = request.org.audit_events.filter(target_type="role", target_id=str(role.pk))
    can_see = Permission.AUDIT_VIEW in request.org_permissions
    return {
        "last_change": events.filter(action="role.rights_changed").first(),
        "can_see_audit": can_see,
        "history": told(events[:RECENT]) if can_see else [],
    }


def _organization_roles(request) -> list:
    roles = list(request.org.roles.organization_level().prefetch_related("permissions"))
    people = _counts(request.org.memberships, "role")
    teams = _counts(request.org.teams, "org_role")
    for role in roles:
        role.people, role.teams = people.get(role.slug, 0), teams.get(role.slug, 0)
    return roles


def _counts(rows, field: str) -> dict[str, int]:
    return dict(rows.order_by().values_list(field).annotate(number=Count("pk")))


def _tenant_roles(request) -> list:
    roles = places().counted(request.org.roles.tenant_level())
    return list(roles.order_by("rank", "name").prefetch_related("permissions"))


def _organization_rows(roles) -> list:
    return [
        (words, [(role, right in role.rights) for role in roles])
        for right, words in ORGANIZATION_WORDS.items()
    ]


def _tenant_rows(roles) -> list:
    return [
        (ICONS[group], group, [(role, summary(role.rights, resources)) for role in roles])
        for group, resources in TENANT_GROUPS.items()
    ]
