"""What the templates of a run need beside the run: its steps as they are shown, and the addresses of its links."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from csp.constants import NONE
from csp.decorators import csp_update
from django.http import QueryDict
from django.urls import reverse

from orgs.permissions import Permission
from tenants.runs.artifact_places import is_away, why_away
from tenants.runs.client import Run
from tenants.runs.log_files import stores_here
from tenants.runs.metadata import logged
from tenants.runs.reading import RunPage
from tenants.runs.run_graph import MOST_OPENED, shown
from tenants.runs.step_logs import LogChoice

GLANCE = 12  # steps
PEOPLE = 200  # in a filter; anyone else can be named in the address
FIND_LENGTH = 200
KEPT = ("graph", "open", "wrap", "level")  # of the address of a run, when another step is chosen


def people_offered(request) -> list[tuple[str, str]]:
    """(username, name) of the people that the filter of a list of runs offers to who may see them. One query."""
    if Permission.MEMBER_VIEW not in request.org_permissions:
        return []
    members = request.org.memberships.select_related("user").order_by("user__name", "user__email")
    return [(one.user.username, str(one.user)) for one in members[:PEOPLE] if one.user != request.user]


def steps_context(asked: QueryDict, page: RunPage) -> dict[str, Any]:
    """Steps, grouped unless the address says otherwise, and their drawing unless it is large and no one asked."""
    chosen = page.chosen.name if page.chosen else ""
    opened, all_steps = asked.getlist("open"), asked.get("graph") == "all"
    choice = LogChoice.of(asked)
    steps = shown(page.steps, page.edges, chosen, grouped=not all_steps, opened=opened)
    draws = not steps.too_large or "graph" in asked
    graph = steps.graph() if draws else None
    return {
        "steps": steps,
        "graph": graph,
        "next_failed": steps.failed_after(chosen),
        "undrawable": draws and graph is None and page.steps,
        "all_steps": all_steps,
        "opened": steps.opened,
        "choice": choice,
        "follows": page.live and not page.log.later and not choice.line,
        **_find(asked, page),
        **_links(_known(asked, choice, steps.opened)),
    }


def found_step(asked: QueryDict, page: RunPage) -> str:
    """Where "Find a step" leads, "?…": the next one after the chosen step whose name has the text; "" when none is sought.

    Without a match the chosen step stays, and the page says so.
    """
    sought = asked.get("find", "").strip()[:FIND_LENGTH]
    if not sought:
        return ""
    names = [step.name for step in page.steps]
    at = names.index(page.chosen.name) + 1 if page.chosen else 0
    match = next((name for name in names[at:] + names[:at] if sought.casefold() in name.casefold()), None)
    kept = _links(_known(asked, LogChoice.of(asked), asked.getlist("open")[:MOST_OPENED]))["kept"]
    step = match or (page.chosen.name if page.chosen else "")
    return f"?{urlencode({'step': step, 'found': sought})}{kept}"


def _find(asked: QueryDict, page: RunPage) -> dict[str, Any]:
    """The field is there for more steps than can be seen at a glance."""
    found = asked.get("found", "")[:FIND_LENGTH]
    matches = sum(found.casefold() in step.name.casefold() for step in page.steps) if found else 0
    return {"can_find": len(page.steps) > GLANCE, "found_text": found, "matches": matches}


def _known(asked: QueryDict, choice: LogChoice, opened: Sequence[str]) -> QueryDict:
    """What a thousand links may repeat: anyone can write anything into an address."""
    found = QueryDict(mutable=True)
    said = {"q": choice.q, "level": choice.level, "line": choice.line, "wrap": "" if choice.wrap else "off"}
    if "graph" in asked:
        said["graph"] = "all" if asked["graph"] == "all" else "1"
    found.update({name: value for name, value in said.items() if value})
    found.setlistdefault("open", list(opened))
    return found


def _links(asked: QueryDict) -> dict[str, str]:
    """What stays of the address, "&…", when another step is chosen, and when one thing of it changes."""
    return {
        "kept": _kept(asked, KEPT),
        "kept_closed": _kept(asked, KEPT, "open"),
        "kept_plain": _kept(asked, KEPT, "open", "graph"),
        "kept_log": _kept(asked, (*KEPT, "q")),
        "kept_level": _kept(asked, (*KEPT, "q"), "level"),
        "kept_wrap": _kept(asked, (*KEPT, "q", "line"), "wrap"),
    }


def _kept(asked: QueryDict, names: Sequence[str], *without: str) -> str:
    left = asked.copy()
    for name in [name for name in left if name not in names or name in without]:
        del left[name]
    query = left.urlencode()
    return f"&{query}" if query else ""


def artifacts_context(request, run: Run, artifacts) -> dict[str, Any]:
    """The chosen artifact's metadata, and where its frame or picture is."""
    details, shown_as = artifacts.details, artifacts.visualization
    args = [request.org.slug, request.tenant.slug, run.id]
    known = {"artifacts": artifacts, "logged": logged([("", details.metadata)] if details else [])}
    known["away"] = _away(artifacts, stores_here(request.tenant)) if artifacts.chosen else ""
    if shown_as and not shown_as.fault and shown_as.kind in ("html", "image"):
        frame = reverse("tenants:artifact_frame", args=[*args, artifacts.chosen.id, artifacts.index])
        known["picture" if shown_as.kind == "image" else "frame"] = frame
    return known


def _away(artifacts, stores) -> str:
    """Why the server can't show what is chosen, where that lies on another machine."""
    shown_as, uri = artifacts.visualization, artifacts.chosen.uri
    reason = shown_as.fault if shown_as else ""
    if not is_away(uri, stores, bool(reason)):
        return ""
    return why_away(uri, "" if stores else reason)


def with_frame(request, response, frame: str):
    """The page may hold this one frame, or none."""
    allowed = f"{request.get_host()}{frame}" if frame else NONE
    return csp_update({"frame-src": [allowed]})(lambda request: response)(request)
