"""What every page's frame shows: organization switcher, navigation, tenants."""

from dataclasses import dataclass, field

from django.conf import settings
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from orgs.models import Organization
from orgs.permissions import Permission
from tenants.access.gate import LISTED, listed
from tenants.hosting.local.box import Isolation
from tenants.models import DefaultHome
from tenants.models.tenant import own_homes
from tenants.models.tenant_permissions import TenantPermission

from .isolation import notice_for


@dataclass
class Item:
    label: str
    icon: str
    url: str
    active: bool = False
    count: int | None = None


@dataclass
class TenantItem:
    tenant: object
    url: str
    active: bool
    state: str
    nav: list[Item] = field(default_factory=list)


@dataclass
class Shell:
    theme: str
    site_host: str
    org: Organization | None = None
    role_name: str = ""
    orgs: list[dict] = field(default_factory=list)
    nav: list[Item] = field(default_factory=list)
    tenants: list[TenantItem] = field(default_factory=list)
    more_tenants: int = 0
    new_tenant_url: str = ""
    create_org_url: str = ""
    settings_url: str = ""
    search_url: str = ""
    user: object = None

    @property
    def isolation(self) -> Isolation | None:
        """Looked at by the few pages that show it, not for every frame."""
        return notice_for(self.user) if self.user else None

    @property
    def default_home(self) -> str:
        """Kind of home of the organization's new tenants; "" where there is no choice."""
        if self.org is None or len(own_homes()) < 2:
            return ""
        return DefaultHome.objects.of(self.org)


def shell(request) -> dict:
    """Context processor. Fragments that do not draw the frame never ask for it."""
    return {"shell": SimpleLazyObject(lambda: _frame(request))}


def _frame(request) -> Shell:
    """Cheap for signed-out pages; at most 3 queries inside an organization."""
    host = settings.ZENPRO_URL.partition("://")[2]
    theme = request.COOKIES.get("theme", "")
    frame = Shell(theme=theme if theme in ("light", "dark") else "", site_host=host)
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return frame
    frame.user, frame.settings_url = user, reverse("users:settings")
    if user.is_superuser:
        frame.create_org_url = reverse("orgs:create")
    frame.org = getattr(request, "org", None)
    frame.orgs = _organizations(request, frame.org)
    if frame.org:
        _fill(frame, request)
    return frame


def _organizations(request, current) -> list[dict]:
    memberships = getattr(request, "memberships", None)
    if memberships is None:
        memberships = request.user.memberships.select_related("organization").order_by("organization__name")
    found = [
        {"org": m.organization, "role_name": m.role.capitalize(), "active": m.organization == current}
        for m in memberships
    ]
    if current and not any(entry["active"] for entry in found):
        found.insert(0, {"org": current, "role_name": "Superuser", "active": True})
    return found


def _fill(frame: Shell, request) -> None:
    rights, slug = request.org_permissions, request.org.slug
    frame.role_name = next((entry["role_name"] for entry in frame.orgs if entry["active"]), "")
    frame.nav = _navigation(request, rights, slug)
    frame.tenants, frame.more_tenants = _tenants(request, slug)
    if Permission.TENANT_CREATE in rights:
        frame.new_tenant_url = reverse("tenants:create", args=[slug])


NAVIGATION = (
    ("Home", "house", "orgs:home", Permission.ORGANIZATION_VIEW),
    ("Members", "users", "orgs:members", Permission.MEMBER_VIEW),
    ("Teams", "users-round", "teams:list", Permission.ORGANIZATION_VIEW),
    ("Access", "table-2", "matrix:grid", Permission.TEAM_VIEW),
    ("Roles", "shield-check", "roles:list", Permission.ROLE_VIEW),
    ("Runs", "play", "orgs:runs", Permission.ORGANIZATION_VIEW),
    ("Templates", "layout-template", "run_templates:org_list", Permission.ORGANIZATION_VIEW),
    ("Usage", "gauge", "usage:organization", Permission.TENANT_MANAGE_ALL),
    ("Audit log", "scroll-text", "audit:list", Permission.AUDIT_VIEW),
    ("Settings", "settings", "orgs:settings", Permission.ORGANIZATION_CHANGE),
)


def _navigation(request, rights, slug) -> list[Item]:
    counts = _counts(request) if Permission.TEAM_VIEW in rights else {}
    section = _section(request)
    return [
        Item(label, icon, reverse(name, args=[slug]), active=name in section, count=counts.get(name))
        for label, icon, name, needed in NAVIGATION
        if needed in rights
    ]


def _section(request) -> set[str]:
    """Names of navigation entries that the current page belongs to."""
    match = request.resolver_match
    if match is None or hasattr(request, "tenant"):
        return set()
    by_app = {
        "teams": "teams:list",
        "roles": "roles:list",
        "audit": "audit:list",
        "usage": "usage:organization",
        "invitations": "orgs:members",
        "control_plane": "orgs:members",  # service accounts
        "explain": "orgs:members",
    }
    of_members = "orgs:members" if match.view_name.startswith("orgs:member") else ""
    return {match.view_name, by_app.get(match.app_name, ""), of_members}


def _counts(request) -> dict[str, int]:
    """As read with the membership, when it was known that this becomes a whole page."""
    here, org = request.membership, request.org
    if not hasattr(here, "people"):
        return {"orgs:members": org.memberships.count(), "teams:list": org.teams.count()}
    return {"orgs:members": here.people or 0, "teams:list": here.team_count or 0}


TENANT_NAVIGATION = (
    ("Overview", "activity", "tenants:overview", TenantPermission.VIEW),
    ("Runs", "play", "tenants:runs", TenantPermission.VIEW),
    ("Templates", "layout-template", "run_templates:list", TenantPermission.TEMPLATE_VIEW),
    ("Members", "users", "tenants:members", TenantPermission.VIEW),
    ("Usage", "gauge", "usage:tenant", TenantPermission.ACCESS),
    ("Settings", "settings", "tenants:settings", TenantPermission.CHANGE),
)


def _tenants(request, slug) -> tuple[list[TenantItem], int]:
    """The first of them, with the one that is open, and how many more there are."""
    current, shown = getattr(request, "tenant", None), _shown(request)
    address = reverse("tenants:overview", args=[slug, "-"]).removesuffix("-/")
    items = [TenantItem(one, f"{address}{one.slug}/", one == current, one.shown_status) for one in shown]
    for item in items:
        item.nav = _tenant_navigation(request, slug, item.tenant) if item.active else []
    total = len(request.tenants) if hasattr(request, "tenants") else shown[0].seen if shown else 0
    return items, total - len(shown)


def _shown(request) -> list:
    """By name. Pages that had to read tenants say which: all of them, or those that are listed."""
    if hasattr(request, "tenants"):
        return request.tenants[:LISTED]
    shown = request.listed if hasattr(request, "listed") else listed(request)
    return sorted(shown, key=lambda tenant: tenant.name)


def _tenant_navigation(request, slug, tenant) -> list[Item]:
    match = request.resolver_match
    page = {"tenants:run_detail": "tenants:runs"}.get(match.view_name, match.view_name)
    sections = dict.fromkeys(["run_templates", "webhooks"], "run_templates:list") | {"usage": "usage:tenant"}
    page = sections.get(match.app_name, page)
    return [
        Item(label, icon, reverse(name, args=[slug, tenant.slug]), active=page == name)
        for label, icon, name, needed in TENANT_NAVIGATION
        if needed in request.tenant_permissions
    ]
