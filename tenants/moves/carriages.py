"""Where the database of a tenant lies on its way between two homes."""

import shutil
from functools import partial
from pathlib import Path
from uuid import UUID

from django.conf import settings

from tenants.hosting.base import Carriage
from tenants.models import TenantMove
from tenants.moves.tickets import make_ticket


def folder_of(move: UUID) -> Path:
    return settings.ZENPRO_DATA / "moves" / str(move)


def carriage_of(move: TenantMove) -> Carriage:
    folder = folder_of(move.pk)
    return Carriage(
        name=move.pk.hex[:8],
        file=folder / "database",
        sent=folder / "sent",
        most=settings.ZENPRO_MOVE_SIZE,
        url=f"{settings.ZENPRO_API_URL}/moves/{move.pk}/database",
        ticket=partial(make_ticket, move.pk),
    )


def forget(move: TenantMove) -> None:
    """Nothing of what was carried stays between the homes."""
    shutil.rmtree(folder_of(move.pk), ignore_errors=True)
