"""How an action says no, to one and to many."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.db import transaction


class Refused(Exception):
    """The change breaks a rule; the text is a sentence for people. Nothing has been written."""


@dataclass(frozen=True)
class Outcome:
    """What happened to one of many members. `refused`: why nothing did; `before`: None when there was nothing to do."""

    membership: object
    before: object = None
    refused: str = ""

    @property
    def changed(self) -> bool:
        return not self.refused and self.before is not None


def one_by_one(memberships: Iterable, change: Callable) -> list[Outcome]:
    """Try `change` with each of these members; those for whom it is refused stay as they are.

    Call it inside a transaction and record what was done after all of them: an audit row keeps everyone else from
    recording until the commit. `change` returns what was before, or None when there was nothing to do.
    """
    outcomes = []
    for membership in memberships:
        try:
            with transaction.atomic():
                outcomes.append(Outcome(membership, before=change(membership)))
        except Refused as refused:
            outcomes.append(Outcome(membership, refused=str(refused)))
    return outcomes
