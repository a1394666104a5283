"""What the rest of the code knows about runners: one protocol, its data and its exceptions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol
from uuid import UUID

from tenants.runs.dialects import NEWEST, Release


class AlreadyRunning(Exception):
    """A runner of this re-run is alive: adopt it."""


class RunnerFailed(Exception):
    """The runner could not be started; `reason` is a sentence for people."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class RunnerOutOfReach(Exception):
    """What carries runs out does not answer: nothing is known of any of them. `reason` is a sentence for people."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Order:
    """All that one runner needs."""

    run_id: UUID  # of our TemplateRun
    zenml_run_id: UUID
    snapshot_id: UUID
    python: Path
    code: Path | None  # None: what it hands over brings its own
    roots: Sequence[str]  # folders of the code that modules are imported from, ZenML's source root first
    starts_in: str  # the folder of the code where it begins
    server_url: str
    token: str
    project_id: UUID
    stack_id: UUID
    local_stores: Path
    user_id: UUID  # one per tenant, or nothing would ever be cached (rerun §8)
    release: Release = NEWEST  # of ZenML, whose runner it is
    tenant_id: UUID | None = None
    needs: tuple[str, str, str] = ("", "", "")  # of its environment, see run_environments.needs_of()
    ends: str = ""  # why what works on the run on its stack is to be ended; then nothing is carried out


class Started(NamedTuple):
    """What is written down of a runner that was started, so that the next agent finds it."""

    run_id: UUID  # of our TemplateRun
    pid: int | None  # None: nothing was started, or no one could write it down; 0: no process of this machine
    mark: str  # tells it from a later one of the same number


class Runner(Protocol):
    """Carries out re-runs. Every method but start() may be repeated, and is safe for what has ended.

    One that is elsewhere raises RunnerOutOfReach from all of them but output() and tidy().
    """

    def start(self, order: Order) -> Started:
        """Returns as soon as the runner is started. Raises AlreadyRunning, RunnerFailed."""

    def find(self, run_id: UUID) -> Started | None:
        """A living runner that was started before anyone could write it down."""

    def alive(self, started: Started) -> bool:
        """Does this very runner still run?"""

    def waits(self, started: Started) -> str:
        """Why what was started has not begun, a sentence; "" when nothing is known to keep it from that."""

    def stop(self, started: Started) -> None:
        """Ask it to stop; it ends its step and then itself, or does not listen."""

    def end(self, started: Started) -> None:
        """End it, and all that its steps started, without asking."""

    def exit_code(self, started: Started) -> int | None:
        """How it ended; None when that is not known, as of one that an earlier agent started. Blocks for seconds."""

    def limit(self, run_id: UUID) -> str:
        """A sentence about the limit that ended it; "" when none did. What a step prints does not count."""

    def output(self, run_id: UUID, lines: int = 200) -> list[str]:
        """The last lines that it and its steps printed, oldest first; [] before the start."""

    def keep(self, run_id: UUID, code: Path) -> int:
        """Keep what it wrote beside its code, which was `code`, as one file; its size in bytes, 0 for nothing."""

    def tidy(self, run_id: UUID) -> None:
        """Throw away what only the runner needed; the output stays, and what was kept."""
