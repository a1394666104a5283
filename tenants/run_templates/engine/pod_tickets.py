"""What the pod of a run shows to get its code: for one run and an hour, and once. Only its hash is kept."""

import hashlib
import secrets
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from tenants.run_templates.models import TemplateRun

LIFETIME = timedelta(hours=1)


def make_ticket(run_id: UUID) -> str:
    """A new one; the one before is worth nothing from now on."""
    text = secrets.token_urlsafe(32)
    new = {"ticket_hash": _hash(text), "ticket_until": timezone.now() + LIFETIME}
    TemplateRun.objects.filter(pk=run_id).update(**new)
    return text


def take_ticket(run_id: UUID, text: str) -> TemplateRun | None:
    """The run, if this is its ticket and it has not ended. From now on it is not."""
    valid = TemplateRun.objects.unfinished().filter(pk=run_id, ticket_hash=_hash(text))
    if valid.filter(ticket_until__gt=timezone.now()).update(ticket_hash="") != 1:
        return None
    return TemplateRun.objects.select_related("code").get(pk=run_id)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
