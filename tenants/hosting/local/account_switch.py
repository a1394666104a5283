"""Switching off a person's account in the database of a tenant's server (protocol §13.3)."""

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from tenants.hosting.base import ServerError
from tenants.hosting.local import boxed_database


def switch_off(database: Path, user_id: UUID, still_out: Callable[[], bool], isolation: str) -> bool:
    """Make the account inactive: the server answers all its tokens with 401 from now on. True when that is done.

    `still_out` is asked while no one else can write: a server that lets the person in again either has written that
    already, and then their right is seen, or writes it after us and makes the account active again.

    The server may run or not; nothing but this one row is touched, in one short transaction. False when `still_out`
    says so. `isolation`: see box.chosen(). Raises ServerError when the database is missing, is busy, or is not
    one of ZenML.
    """
    try:
        done = boxed_database.change(
            database, "switch_off", user_id.hex, wanted=still_out, isolation=isolation
        )
    except ServerError as error:
        raise ServerError(f"The account could not be switched off: {error.reason}.") from error
    return bool(done)
