"""What the home page of an organization shows. Runs and tenants are reached from the organization."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from orgs.models import Organization
from orgs.permissions import Permission

RUNS = 8
LOOKED_AT = 60
SHOWN_ENDINGS = 3
RECENT = timedelta(days=7)
RUN_FIELDS = {
    "slug": "slug",
    "tenant": "name",
    "template": "templates__name",
    "template_id": "templates__pk",
    "number": "templates__runs__number",
    "state": "templates__runs__state",
    "reason": "templates__runs__state_reason",
    "queued": "templates__runs__queued_at",
    "started": "templates__runs__started_at",
    "ended": "templates__runs__ended_at",
    "changes": "templates__runs__changes",
    "person_id": "templates__runs__created_by",
    "person": "templates__runs__created_by__name",
    "email": "templates__runs__created_by__email",
}


@dataclass
class RecentRun:
    """A re-run of a template, as the list shows it."""

    name: str
    url: str
    tenant: str
    slug: str
    state: str
    reason: str
    template_id: object
    person: object
    changes: int
    at: object
    seconds: float | None


@dataclass
class Need:
    """Something that wants attention, with the page to deal with it."""

    tone: str
    icon: str
    title: str
    text: str
    url: str
    action: str


def last_runs(organization: Organization, user, *, mine=False, failed=False, limit=RUNS) -> list[RecentRun]:
    """The newest re-runs in tenants where the user may see templates, newest first. One query."""
    wanted = Q(
        templates__runs__isnull=False
    )  # one filter() for all conditions: each call would join runs anew
    if mine:
        wanted &= Q(templates__runs__created_by=user)
    if failed:
        wanted &= Q(templates__runs__state="failed")
    tenants = organization.tenants.with_right(user, "view_template").filter(wanted)
    found = tenants.order_by("-templates__runs__queued_at").values_list(*RUN_FIELDS.values())
    return [_run(organization, dict(zip(RUN_FIELDS, row, strict=True))) for row in found[:limit]]


def _run(organization: Organization, row: dict) -> RecentRun:
    args = [organization.slug, row["slug"], row["template_id"], row["number"]]
    seconds = (row["ended"] - row["started"]).total_seconds() if row["started"] and row["ended"] else None
    return RecentRun(
        name=f"{row['template']} re-run {row['number']}",
        url=reverse("run_templates:run_detail", args=args),
        person=_person(row),
        changes=len(row["changes"] or ()),
        at=row["started"] or row["queued"],
        seconds=seconds,
        **{name: row[name] for name in ("tenant", "slug", "state", "reason", "template_id")},
    )


def _person(row):
    """Enough of a User for name and avatar, without another query; None when no one is known."""
    if not row["person_id"]:
        return None
    return get_user_model()(pk=row["person_id"], name=row["person"], email=row["email"])


def step_of(tenant) -> str:
    """How far the start of a tenant is, in words; empty unless it is starting."""
    steps = tenant.progress if tenant.status == "pending" else ()
    done = sum(step["state"] == "done" for step in steps)
    return f"step {min(done + 1, len(steps))} of {len(steps)}" if steps else ""


def needs(organization: Organization, tenants: Iterable, runs: Iterable[RecentRun], rights) -> list[Need]:
    """What wants attention, worst first: tenants that failed or are silent, templates that fail, invitations that did not arrive."""
    found = [_failed_tenant(organization, tenant) for tenant in tenants if tenant.status == "failed"]
    found += [_silent_tenant(organization, tenant) for tenant in tenants if tenant.shown_status == "silent"]
    found += _failing_templates(runs)
    if Permission.INVITATION_MANAGE in rights:
        found += _lost_invitations(organization)
    return found


def _failed_tenant(organization: Organization, tenant) -> Need:
    url = reverse("tenants:overview", args=[organization.slug, tenant.slug])
    return Need("bad", "server-off", f"{tenant.name} is not running", tenant.state_reason, url, "Open")


def _silent_tenant(organization: Organization, tenant) -> Need:
    url = reverse("tenants:overview", args=[organization.slug, tenant.slug])
    return Need("warn", "wifi-off", f"{tenant.name} is not answering", tenant.state_reason, url, "Open")


def _failing_templates(runs: Iterable[RecentRun]) -> list[Need]:
    """Templates whose newest run failed within the last days. `runs` are newest first."""
    histories: dict[object, list[RecentRun]] = {}
    for run in runs:
        histories.setdefault(run.template_id, []).append(run)
    return [
        _failing(history)
        for history in histories.values()
        if history[0].state == "failed" and history[0].at > timezone.now() - RECENT
    ]


def _failing(history: list[RecentRun]) -> Need:
    times = next((n for n, run in enumerate(history) if run.state != "failed"), len(history))
    name = history[0].name.rpartition(" re-run ")[0] if times > 1 else history[0].name
    title = f"{name} failed {times} times in a row" if times > 1 else f"{name} failed"
    text = ": ".join(filter(None, [history[0].tenant, history[0].reason]))
    return Need("bad", "circle-x", title, text, history[0].url, "Open run")


def ending_roles(organization: Organization, user, rights) -> list[Need]:
    """Roles on tenants that end within a week: one's own, and those of the tenants whose members one manages."""
    grants = list(organization.tenants.ending_soon(user, rights))
    teams = set(user.groups.values_list("pk", flat=True)) if grants else ()
    mine = [
        one
        for one in grants
        if one.team_id in teams or (one.membership and one.membership.user_id == user.pk)
    ]
    others: dict[object, list] = {}
    for grant in grants:
        if grant not in mine:
            others.setdefault(grant.tenant, []).append(grant)
    found = [_own_ending(organization, grant) for grant in mine[:SHOWN_ENDINGS]]
    return found + [_endings(organization, *pair) for pair in list(others.items())[:SHOWN_ENDINGS]]


def _own_ending(organization: Organization, grant) -> Need:
    url = reverse("tenants:overview", args=[organization.slug, grant.tenant.slug])
    of = f"the role {grant.role} of team {grant.team}" if grant.team_id else f"your role {grant.role}"
    title = f"{of[:1].upper()}{of[1:]} on {grant.tenant} expires {_day(grant.expires_at)}"
    return Need("warn", "clock", title, "Ask an Admin of the tenant if you still need it.", url, "Open")


def _endings(organization: Organization, tenant, grants: list) -> Need:
    url = reverse("tenants:members", args=[organization.slug, tenant.slug])
    title = f"{len(grants)} roles on {tenant} expire within 7 days"
    if len(grants) == 1:
        title = f"1 role on {tenant} expires within 7 days"
    names = (f"{one.team or one.membership.user}, {one.role}: {_day(one.expires_at)}" for one in grants[:2])
    more = f" and {len(grants) - 2} more" if len(grants) > 2 else ""
    return Need("warn", "clock", title, "; ".join(names) + more, url, "Review")


def _day(moment) -> str:
    return f"{timezone.localtime(moment):%-d %b}"


def _lost_invitations(organization: Organization) -> list[Need]:
    url = reverse("invitations:list", args=[organization.slug])
    waiting = organization.invitations.open()
    lost = waiting.select_related("mail").filter(mail__state="failed", expires_at__gt=timezone.now())
    expired = waiting.filter(expires_at__lte=timezone.now()).count()
    found = [
        Need("warn", "mail-x", f"{row.email} didn't get the email", row.delivery_error, url, "New link")
        for row in lost[:3]
    ]
    if expired:
        title = "An invitation has expired" if expired == 1 else f"{expired} invitations have expired"
        found.append(Need("warn", "clock", title, "Send a new link, valid for 7 days.", url, "Review"))
    return found


def signature(tenants: Iterable, runs: Iterable[RecentRun], found: Iterable[Need]) -> str:
    """Differs when something on the page does: a page that polls is answered only then, and once a minute."""
    minute = timezone.now().strftime("%H:%M")  # "5 min ago" grows old
    parts = [(row.pk, row.status, row.state_reason, row.zenml_version, step_of(row)) for row in tenants]
    text = repr([minute, parts, [(run.url, run.state) for run in runs], [need.title for need in found]])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
