from django.core.paginator import Paginator
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from orgs.access.gate import admits, org_view, refuse
from orgs.members.listing import matching
from orgs.permissions import Permission
from tenants.access.explain.forms import QuestionForm
from tenants.access.explain.person import accesses, keys_of, sees_in_full, tenants_of
from tenants.access.explain.proposals import proposals
from tenants.access.explain.reasons import explain
from tenants.access.people import visible_tenants
from zenpro_site.common.htmx import render_partial, wants

TENANTS = 20
SUGGESTED = 8


@require_safe
@org_view(Permission.ORGANIZATION_VIEW)
def question(request):
    """Can this person do that there? Members can ask about themselves."""
    if wants(request, "people"):
        return render(request, "access/explain/question.html#people", {"people": _suggested(request)})
    people, asks_of_others = _people(request), Permission.MEMBER_MANAGE in request.org_permissions
    named = request.GET.get("person", "")
    if named and not asks_of_others and named != request.user.email:
        refuse(request, Permission.MEMBER_MANAGE, request.org)
    form = _form(request, people)
    told = None
    if form.is_bound and form.is_valid():
        told = explain(form.question())
    context = {"form": form, "told": told, "asks_of_others": asks_of_others, **_around(request, form, told)}
    return render(request, "access/explain/question.html", context)


def _form(request, people) -> QuestionForm:
    own = {"person": request.user.email} if request.membership else {}
    asked = own | request.GET.dict()
    data = asked if "action" in request.GET else None
    tenants = visible_tenants(request).order_by("name")
    return QuestionForm(data, initial=asked, people=people, tenants=tenants)


def _people(request):
    people = request.org.memberships.select_related("user").order_by("user__name", "user__email")
    if Permission.MEMBER_MANAGE in request.org_permissions:
        return people
    return people.filter(user=request.user)


def _suggested(request):
    return matching(_people(request), request.GET.get("person", ""))[:SUGGESTED]


def _around(request, form, told) -> dict:
    """Who was asked about, and what could be done about a no."""
    if told is None:
        return {"people": ()}
    membership = form.cleaned_data["person"]
    membership.organization = told.question.tenant.organization = request.org
    first, ways = proposals(told, membership, request.user)
    is_let_in = admits(membership.user, request.org)
    return {"people": (), "member": membership, "first": first, "ways": ways, "is_let_in": is_let_in}


@require_safe
@org_view(Permission.ORGANIZATION_VIEW)
def person(request, membership):
    """What a member can do in each tenant: for the member, and for those who manage members."""
    member = get_object_or_404(request.org.memberships.select_related("user"), pk=membership)
    if not sees_in_full(request, member):
        refuse(request, Permission.MEMBER_MANAGE, request.org)
    member.organization = request.org
    page = Paginator(tenants_of(request, member), TENANTS).get_page(request.GET.get("page"))
    context = {
        "member": member,
        "page": page,
        "accesses": accesses(member, list(page)),
        "keys": keys_of(member.user),
        "can_manage": Permission.MEMBER_MANAGE in request.org_permissions,
    }
    return render_partial(request, "access/explain/person.html#access", context)
