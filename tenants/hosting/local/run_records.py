"""Ends a run in the database of a tenant's server when no one can act for it in the server anymore."""

from pathlib import Path
from uuid import UUID

from tenants.hosting.base import ServerError
from tenants.hosting.local import boxed_database


def end_run(database: Path, run_id: UUID, status: str, reason: str, isolation: str) -> tuple[str, str] | None:
    """Give a run and its steps that are under way this end; one that ended keeps the end it has.

    Returns (status, reason) as they are now, None when there is no such run. `status` is "stopped" or "failed".
    `isolation`: see box.chosen(). Raises ServerError when the database is not there, is busy, or is not one of ZenML.
    """
    try:
        found = boxed_database.change(database, "end_run", run_id.hex, status, reason, isolation=isolation)
    except ServerError as error:
        raise ServerError(f"The run could not be ended in the tenant: {error.reason}.") from error
    return tuple(found) if found else None
