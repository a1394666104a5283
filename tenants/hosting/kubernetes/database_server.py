"""Statements to a database server: each ends in time, and each refusal becomes a sentence."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from pymysql.err import MySQLError

from tenants.hosting.base import ServerError, SupervisorGone
from tenants.hosting.kubernetes.bounded_mysql import (
    BoundedConnection,
    MysqlAccount,
    Overflowing,
    connected,
)
from tenants.hosting.kubernetes.symptoms import one_line

CALL_TIME = 8.0  # seconds for one connection and all that is said on it
UNREADABLE = "The database server's answer cannot be read."
OURS_TO_SEND = 2000  # the client's own errors have numbers from here ...
OURS_END = 3000  # ... to here: no connection, no answer
FULL = {1203, 1226}  # the account has all its connections: it is told so only to who could sign in
# Numbers of the server's that pass by themselves: too many connections, shutting down, locked, deadlock, interrupted.
PASSING = {1040, 1053, 1205, 1213, 1317, *FULL}
# What PyMySQL lets through when an answer is not what it should be.
NONSENSE = (
    Overflowing,
    struct.error,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    RuntimeError,
)

Run = Callable[..., list[tuple[Any, ...]]]


class DatabaseRefused(ServerError):
    """The database server answered, and said no: `code` is its number of the error."""

    def __init__(self, code: int, reason: str):
        super().__init__(reason)
        self.code = code


class DatabaseBusy(SupervisorGone):
    """It says itself that this passes: `code` as above."""

    def __init__(self, code: int, reason: str):
        super().__init__(reason)
        self.code = code


class DatabaseServer:
    """A MySQL or MariaDB server, as the account that makes others."""

    def __init__(self, account: MysqlAccount):
        self.account = account

    @contextmanager
    def session(self, seconds: float = CALL_TIME) -> Iterator[Run]:
        """`run(statement, *values)` -> rows. All that is said within must be over in `seconds`.

        Raises SupervisorGone when there is no answer, DatabaseRefused for a refusal.
        """
        said = Said([self.account.password])
        with ExitStack() as stack:
            with sentences(said):
                connection = stack.enter_context(connected(self.account, seconds))
            run = said.to(connection)
            run(f"SET SESSION lock_wait_timeout = {int(seconds)}")
            yield run

    def accepts(self, user: str, password: str) -> bool:
        """Can someone sign in with it? Raises SupervisorGone."""
        other = DatabaseServer(replace(self.account, user=user, password=password))
        try:
            with other.session():
                return True
        except DatabaseRefused:
            return False
        except DatabaseBusy as error:
            if error.code in FULL:
                return True
            raise


class Said:
    """Values that went to the server: a refusal may repeat the statement they were in."""

    def __init__(self, values: list[str]):
        self.values = values

    def to(self, connection: BoundedConnection) -> Run:
        def run(statement: str, *values: str) -> list[tuple[Any, ...]]:
            self.values += [value for value in values if len(value) > 8]
            with sentences(self), connection.cursor() as cursor:
                cursor.execute(statement, values)  # also without values: %% is % in every statement
                return list(cursor.fetchall())

        return run

    def hidden_in(self, words: str) -> str:
        for value in self.values:
            words = words.replace(value, "…")
        return words


@contextmanager
def sentences(said: Said) -> Iterator[None]:
    """Turn whatever the client raises into a sentence."""
    try:
        yield
    except MySQLError as error:
        raise refused(error, said) from error
    except TimeoutError as error:
        raise SupervisorGone("The database server does not answer: no answer in time.") from error
    except (OSError, UnicodeError) as error:
        words = one_line(str(error)) or "no connection."
        raise SupervisorGone(f"The database server does not answer: {words}") from error
    except NONSENSE as error:
        raise SupervisorGone(UNREADABLE) from error


def refused(error: MySQLError, said: Said) -> ServerError:
    """A busy server and one that ends pass; everything else is for people to settle."""
    if len(error.args) < 2 or not isinstance(error.args[0], int):
        return SupervisorGone(UNREADABLE)
    code, words = error.args[0], one_line(said.hidden_in(str(error.args[1])))
    if OURS_TO_SEND <= code < OURS_END:
        return SupervisorGone(f"The database server does not answer: {words}")
    if code in PASSING:
        return DatabaseBusy(code, f"The database server is busy: {words}")
    return DatabaseRefused(code, f"The database server refused: {words}")
