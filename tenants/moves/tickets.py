"""What a carrier shows: for one move, one way and an hour, and once. Only its hash is kept."""

import hashlib
import secrets
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from tenants.models import TenantMove

OUT, IN = "out", "in"  # of the old home, into the new one
LIFETIME = timedelta(hours=1)
STEPS = {OUT: TenantMove.Step.TAKING, IN: TenantMove.Step.PUTTING}


def make_ticket(move: UUID, way: str) -> str:
    """A new one; the one before is worth nothing from now on."""
    text = secrets.token_urlsafe(32)
    new = {"ticket_hash": _hash(text), "ticket_for": way, "ticket_until": timezone.now() + LIFETIME}
    TenantMove.objects.filter(pk=move).update(**new)
    return text


def take_ticket(move: UUID, way: str, text: str) -> bool:
    """Is this the ticket? From now on it is not."""
    valid = TenantMove.objects.open().filter(pk=move, step=STEPS[way], ticket_for=way)
    valid = valid.filter(ticket_hash=_hash(text), ticket_until__gt=timezone.now())
    return valid.update(ticket_hash="") == 1


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
