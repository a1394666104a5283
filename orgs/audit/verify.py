"""Does the chain of audit events still hold? Finds what was changed, removed, moved or inserted."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from django.contrib.auth import get_user_model
from django.db import models, transaction
from django.utils import timezone

from orgs.models import Organization

from .chain import digest
from .models import AuditEvent, AuditHead

CHUNK = 1000
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NOT_THE_LAST = "was replaced: the next entry follows a different one"


class Link(NamedTuple):
    number: int
    hash: str


@dataclass(frozen=True)
class ChainReport:
    """`broken` is a sentence about the first broken entry, empty when all hold; `end` the last good entry."""

    end: Link
    broken: str = ""


def chain_state() -> AuditHead:
    """The head with what the last check found; an unsaved one while nothing has happened."""
    return AuditHead.objects.first() or AuditHead()


def verify(known: Link | None = None) -> ChainReport:
    """Check every entry and remember the outcome. `known`: an entry noted elsewhere, which must still be there.

    Most of it is read without a lock; appending waits only while what came in meanwhile is checked.
    """
    start = chain_state()
    report = _follow(ChainReport(Link(0, "")), AuditEvent.objects.filter(number__lte=start.number))
    with transaction.atomic():
        head = AuditHead.objects.locked()
        if not report.broken:
            report = _follow(report, AuditEvent.objects.filter(number__gt=report.end.number))
        broken = report.broken or _lost(start, report) or _wrong_end(report.end, head) or _forgotten(known)
        AuditHead.objects.filter(pk=head.pk).update(
            checked_at=timezone.now(), checked_number=report.end.number, broken=broken
        )
    return ChainReport(report.end, broken)


def in_chunks(events, key: str = "pk", size: int = CHUNK) -> Iterator[AuditEvent]:
    """Events in ascending order of a unique key, few of them in memory and no cursor left open in between."""
    rest = events = events.order_by(key)
    while rows := list(rest[:size]):
        yield from rows
        if len(rows) < size:
            return
        rest = events.filter(**{f"{key}__gt": getattr(rows[-1], key)})


def _follow(report: ChainReport, events) -> ChainReport:
    end, gone = report.end, _Gone()
    for event in in_chunks(events, "number"):
        if why := _wrong(event, end) or gone.wrong(event):
            return ChainReport(end, why)
        end = Link(event.number, event.hash)
    return ChainReport(end)


def _wrong(event: AuditEvent, end: Link) -> str:
    due = end.number + 1
    if event.number != due:
        return f"#{due} is missing" if event.number > due else f"#{event.number} was inserted"
    if digest(event) != event.hash:
        return f"#{due} was changed"
    if event.previous_hash != end.hash:
        return f"#{end.number} {NOT_THE_LAST}" if end.number else "#1 does not begin the chain"
    return ""


def _lost(start: AuditHead, report: ChainReport) -> str:
    return "The end of the chain was removed" if report.end.number and not start.pk else ""


def _wrong_end(end: Link, head: AuditHead) -> str:
    if end.number < head.number:
        return f"#{end.number + 1} is missing"
    if end.number > head.number:
        return f"#{head.number + 1} was inserted after the end"
    if end.hash != head.hash:
        return f"#{end.number} {NOT_THE_LAST}"
    loose = AuditEvent.objects.filter(number=None).order_by("pk").first()
    return f"The row with id {loose.pk} was inserted outside the chain" if loose else ""


def _forgotten(known: Link | None) -> str:
    if known and not AuditEvent.objects.filter(number=known.number, hash=known.hash).exists():
        return f"#{known.number} is not the entry that was noted"
    return ""


class _Gone:
    """Keys of people and organizations, which are null only once what they name is gone."""

    def __init__(self):
        self.exists: dict[tuple[type, str], bool] = {}

    def wrong(self, event: AuditEvent) -> str:
        keys = [
            (Organization, event.organization_id, event.organization_key, "organization"),
            (get_user_model(), event.actor_id, event.actor_key, "person"),
        ]
        for model, key, was, word in keys:
            if str(key or "") != was and (key or self._is_there(model, was)):
                return f"#{event.number} was given to another {word}"
        return ""

    def _is_there(self, model: type[models.Model], key: str) -> bool:
        if (model, key) not in self.exists:
            self.exists[model, key] = bool(UUID.fullmatch(key)) and model.objects.filter(pk=key).exists()
        return self.exists[model, key]
