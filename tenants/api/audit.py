from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from ninja import Query, Router, Schema
from pydantic import Field

from orgs.audit.filters import EventFilter
from orgs.audit.models import AuditEvent
from orgs.audit.sentences import plain
from orgs.permissions import Permission

from .callers import needs
from .problems import Invalid
from .shapes import MOST, Reference, Text

router = Router(tags=["Audit"])


class Target(Reference):
    type: str


class EventOut(Schema):
    id: UUID
    number: int | None = Field(description="In the chain of all events of the installation.")
    at: datetime
    sentence: str
    action: str
    actor: Reference | None = Field(description="Null for ZenPro itself.")
    target: Target
    outcome: Literal["done", "refused"]
    via: str
    ip: str | None
    request_id: str
    before: dict[str, Any]
    after: dict[str, Any]
    hash: str


class Events(Schema):
    items: list[EventOut]
    next: int | None = Field(description="Send it as `before` to get the next page; null at the end.")


class EventFilters(Schema):
    q: Text = Field("", description="Part of a name, or the id of a request.")
    actor: Text = Field("", description="Id of a user, or `system`.")
    action: Text = Field("", examples=["team.created"])
    target: Text = Field("", description="Kind of object, such as `team`.")
    object: Text = Field("", description="One object: `team:<id>`.")
    outcome: Literal["", "done", "refused"] = ""
    since: date | None = Field(None, description="First day.")
    until: date | None = Field(None, description="Last day.")
    before: int | None = Field(None, ge=0, le=2**62, description="The `next` of the previous page.")
    limit: int = Field(50, ge=1, le=MOST)


def shown(event: AuditEvent) -> dict:
    same = ("number", "at", "action", "outcome", "via", "ip", "request_id", "before", "after", "hash")
    actor = {"id": event.actor_key, "name": event.actor_label} if event.actor_key else None
    target = {"type": event.target_type, "id": event.target_id, "name": event.target_label}
    about = {"id": event.uuid, "sentence": plain(event), "actor": actor, "target": target}
    return {name: getattr(event, name) for name in same} | about


@router.get("/organizations/{organization}/audit", auth=needs(Permission.AUDIT_VIEW), response=Events)
def event_list(request, organization: str, asked: Query[EventFilters]):
    """What was done and refused, latest first. Paging with `next` skips and repeats no rows."""
    words = {name: str(value) for name, value in asked.dict(exclude_none=True).items()}
    chosen = EventFilter(words, organization=request.org)
    if not chosen.form.is_valid():
        raise Invalid(
            [
                {"loc": ["query", name], "msg": " ".join(found), "type": "value_error"}
                for name, found in chosen.form.errors.items()
            ]
        )
    events = chosen.qs.filter(pk__lt=asked.before) if asked.before is not None else chosen.qs
    rows = list(events.order_by("-pk")[: asked.limit + 1])
    more = rows[asked.limit - 1].pk if len(rows) > asked.limit else None
    return {"items": [shown(row) for row in rows[: asked.limit]], "next": more}
