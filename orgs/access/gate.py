"""Who may do what in an organization. The only question: can(user, Permission.X, organization)."""

from functools import wraps
from typing import NoReturn

from django.contrib.auth import get_user_model
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import Case, Count, Model, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Concat
from django.shortcuts import get_object_or_404
from django.utils.functional import SimpleLazyObject

from orgs.audit.models import AuditEvent
from orgs.models import Membership, Organization
from orgs.permissions import Permission
from orgs.roles.models import Role, RolePermission
from orgs.teams.models import Team
from orgs.users.models import Actor, User
from zenpro_site.common.prepared import Given, Prepared
from zenpro_site.common.refusals import Refused
from zenpro_site.common.sql import Joined

from .factors import has_two_factor

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def permissions_of(user, organization: Organization, membership=None) -> frozenset[Permission]:
    """All organization rights of a user: union of their own role and those of their teams. Empty for outsiders.

    `membership`: the user's in this organization, when the caller has it already.
    """
    if not user.is_active:
        return frozenset()
    if user.is_superuser:
        return frozenset(Permission)
    membership = membership or Membership.objects.filter(organization=organization, user=user).first()
    if membership is None:
        return frozenset()
    rows = _rights(user, organization.slug, membership.role)
    return _known(f"{resource}:{action}" for resource, action in rows.values_list("resource", "action"))


def _rights(user, slug: str, role):
    """Rows of the role, or of an expression for its slug, and of those their teams give in the organization `slug`."""
    through_teams = Team.objects.filter(organization__slug=slug, user=user).exclude(org_role="")
    return RolePermission.objects.filter(
        Q(role__slug=role) | Q(role__slug__in=through_teams.values("org_role")),
        role__organization__slug=slug,
        role__level=Role.Level.ORGANIZATION,
    )


def _known(rights) -> frozenset[Permission]:
    return frozenset(map(Permission, set(rights) & set(Permission)))


def can(user, permission: Permission, organization: Organization) -> bool:
    """May the user do this in the organization?"""
    return permission in permissions_of(user, organization)


def may_do_everything(permissions: frozenset[Permission]) -> bool:
    """Are these the rights of an Admin? A role that an organization created may hold some of them."""
    return permissions == frozenset(Permission)


def people_who_can(permission: Permission, organization: Organization):
    """Active users with this right in the organization, superusers among them. Query set, each once.

    The same rule as permissions_of, asked for many people in one query.
    """
    own, through = _holding(permission, organization)
    may = Q(pk__in=own.values("user").union(through.values("user"))) | Q(is_superuser=True)
    return get_user_model().objects.filter(may, is_active=True)


def members_who_can(permission: Permission, organization: Organization):
    """Memberships of the members among people_who_can, for lists of "who can". Query set, each once, any order."""
    own, through = _holding(permission, organization)
    everywhere = organization.memberships.order_by().filter(
        user__in=get_user_model().objects.order_by().filter(is_superuser=True).values("pk")
    )
    ways = own.values("pk").union(through.values("pk"), everywhere.values("pk"))
    return Membership.objects.filter(pk__in=ways, user__is_active=True).order_by()


def _holding(permission: Permission, organization: Organization):
    """(memberships whose own role gives the right, those of people in a team whose role does)."""
    resource, _, action = permission.partition(":")
    slugs = organization.roles.organization_level().filter(
        permissions__resource=resource, permissions__action=action
    )
    members, slugs = organization.memberships.order_by(), slugs.order_by().values("slug")
    teams = organization.teams.order_by().filter(org_role__among=slugs).values("pk")
    inside = Team.user_set.through.objects.filter(group__among=teams)
    return members.filter(role__among=slugs), members.filter(user__in=inside.values("user"))


def refuse_stronger(organization: Organization, by: Actor, *roles: str) -> None:
    """Raises Refused when one of the organization roles (slugs) can do something that `by` can't."""
    held = permissions_of(by.person, organization)
    found = organization.roles.organization_level().filter(slug__in=roles)
    for role in found.prefetch_related("permissions"):
        if not role.rights <= held:
            raise Refused(f"{role.name} can do more than you. Ask an Admin.")


class NeedsTwoFactor(PermissionDenied):
    """The organization doesn't let in people who sign in with a password alone."""

    def __init__(self, organization: Organization):
        super().__init__(f"{organization} requires two-factor sign-in. Set it up in your settings first.")
        self.organization = organization


def admits(user, organization: Organization) -> bool:
    """Does the organization let the user in the way they sign in? Service accounts have keys. No query while it asks
    for nothing.
    """
    return not organization.requires_two_factor or user.is_service_account or has_two_factor(user)


def act_as(request, person) -> None:
    """The request is the person's from here on: its `user`, and the `actor` that is handed to actions. No query."""
    request.user = person
    # Made when it is used first: those who sign in until then act as themselves.
    request.actor = SimpleLazyObject(lambda: Actor(request.user, request.origin))


def enter(request, slug: str) -> None:
    """Put organization, membership and rights on the request. Raises Http404 for outsiders, NeedsTwoFactor.

    One statement: all the person's memberships, which the frame of the page lists anyway, with their rights here.
    """
    asked = _FRAMED if request.method == "GET" and not request.htmx else _ENTERED
    request.memberships = asked(user=request.user.pk, slug=slug)
    here = [one for one in request.memberships if one.organization.slug == slug]
    request.membership = here[0] if here else None
    if request.membership:
        request.org = request.membership.organization
    else:
        request.org = get_object_or_404(Organization.objects.of(request.user), slug=slug)
    request.org_permissions = _rights_here(request)
    if not admits(request.user, request.org):
        _record_refusal(request, "two_factor", request.org)
        raise NeedsTwoFactor(request.org)
    if not (request.htmx and request.method == "GET"):  # a page left open polls, which is no activity
        User.objects.saw(request.user)


def _memberships(**more):
    """The person's by name; the one here with `rights` and what `more` it is asked for."""
    user, slug = Given("user", User._meta.pk), Given("slug", Organization._meta.get_field("slug"))
    rows = _rights(user, slug, OuterRef("role"))
    wanted = {"rights": Joined(rows.values(text=Concat("resource", Value(":"), "action"))), **more}
    here = {name: Case(When(organization__slug=slug, then=value)) for name, value in wanted.items()}
    mine = Membership.objects.filter(user=user).select_related("organization")
    return mine.order_by("organization__name").annotate(**here)


def _count(model) -> Subquery:
    rows = model.objects.order_by().filter(organization=OuterRef("organization")).values("organization")
    return Subquery(rows.annotate(number=Count("pk")).values("number"))


_ENTERED = Prepared(_memberships)
# For a whole page: with the numbers that its frame shows.
_FRAMED = Prepared(lambda: _memberships(people=_count(Membership), team_count=_count(Team)))


def _rights_here(request) -> frozenset[Permission]:
    if request.user.is_superuser:
        return frozenset(Permission)
    return _known((request.membership.rights or "").split()) if request.membership else frozenset()


def refuse(request, permission: str, target: Model, reason: str = "") -> NoReturn:
    """Answer 403. `reason`: a sentence for what the right alone does not explain."""
    _record_refusal(request, permission, target)
    if reason:
        raise PermissionDenied(reason)
    what = getattr(permission, "deed", "").format(target)
    sentence = f"You can't {what}." if what else f"You need the right “{permission}” in {target}."
    raise PermissionDenied(f"{sentence} Ask an Admin of {target} for access.")


def _record_refusal(request, permission: str, target: Model) -> None:
    """A refused change leaves an audit row; a page that can't be read does not."""
    if request.method not in SAFE_METHODS:
        AuditEvent.objects.record(
            "access.refused",
            target,
            by=request.actor,
            organization=request.org,
            after={"right": permission, "page": request.resolver_match.view_name},
            outcome=AuditEvent.Outcome.REFUSED,
        )


def org_view(permission: Permission):
    """Decorator of every page of an organization: sign-in, 404 for outsiders, 403 without the right."""

    def decorate(view):
        @wraps(view)
        def wrapper(request, org, *args, **kwargs):
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            enter(request, org)
            if permission not in request.org_permissions:
                refuse(request, permission, request.org)
            return view(request, *args, **kwargs)

        wrapper.access = permission
        return wrapper

    return decorate
