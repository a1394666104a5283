"""What moves have left in homes where their tenants are no longer: how long it stays, and whom it hinders."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from tenants.models import Tenant, TenantMove


def are_due(moves: Collection[TenantMove]) -> bool:
    """Is what they have left in one home to be removed now? `moves`: all of one tenant that have left something there."""
    return bool(moves) and max(map(_kept_until, moves)) <= timezone.now()


def is_being_removed(tenant: Tenant, home: str) -> bool:
    """Who moved in now would lose what they bring."""
    return are_due([move for move in tenant.moves.uncleared() if move.left == home])


def _kept_until(move: TenantMove) -> datetime:
    """What a failed move has left behind is a copy, and of no use to anyone."""
    days = settings.ZENPRO_KEEP_DELETED_DAYS if move.step == TenantMove.Step.MOVED else 0
    return move.ended_at + timedelta(days=days)
