"""What an agent remembers of one re-run and may forget: the next agent does without it."""

import time
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta

PATIENCE = 2.0  # seconds after a tenant did not answer
LOOK_EVERY = 5.0  # seconds between looks at a re-run that its stack carries out
ASK_EVERY = 1.0  # seconds between questions to the tenant about a run that is under way


@dataclass
class Life:
    """The last sign of life of a re-run elsewhere, and since when nothing newer was seen."""

    sign: datetime | None  # None: it gives none
    patience: timedelta | None  # until it counts as dead; None: it never does
    since: float
    words: str  # "" while it is heard of
    looked_at: float


@dataclass
class Memory:
    """Of one re-run, as long as it has not ended."""

    is_ours: bool = False  # begun by this agent: no earlier attempt to look for
    build: Future | None = None  # its environment in the making
    goes_elsewhere: bool | None = None  # None: not looked up yet
    not_before: float = 0.0
    # Since when something keeps what was started from beginning: a new agent gives it the whole time again.
    waits_since: datetime | None = None
    life: Life | None = None  # of one that its stack carries out; None: not looked at yet
    asked_at: float = 0.0
    # Not in the row: a tenant that starts together with an agent gets the whole patience of that agent.
    trouble_since: float | None = None

    @property
    def is_resting(self) -> bool:
        return time.monotonic() < self.not_before

    def rest(self) -> None:
        """Leave the re-run alone for a moment."""
        self.not_before = time.monotonic() + PATIENCE

    def rest_long(self) -> None:
        """Leave a re-run alone that goes on without this machine."""
        self.not_before = time.monotonic() + LOOK_EVERY

    @property
    def may_ask(self) -> bool:
        return time.monotonic() - self.asked_at >= ASK_EVERY

    def note_question(self) -> None:
        """The tenant is being asked now."""
        self.asked_at = time.monotonic()

    def seconds_of_trouble(self) -> float:
        """For how long nothing but errors came; the first one begins the count."""
        now = time.monotonic()
        self.trouble_since = now if self.trouble_since is None else self.trouble_since
        return now - self.trouble_since

    @property
    def is_building(self) -> bool:
        return self.build is not None and not self.build.done()
