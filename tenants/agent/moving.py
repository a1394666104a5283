"""Takes tenants from one home to another, and removes what they leave behind.

Level-triggered, as the loop that calls it: where a move stands is on its row, each step can be begun again, and whoever
goes on with it need not be who began it. Until the server answers in its new home, every failure leads back.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping

import structlog
from django.db import transaction
from django.utils import timezone

from tenants.access.actions import record
from tenants.hosting import progress
from tenants.hosting.backends import READ_WITH
from tenants.hosting.base import Hosting, NotYet, ServerError, SupervisorGone, Tell
from tenants.models import Tenant, TenantMove
from tenants.moves.actions import unfinished_runs
from tenants.moves.carriages import carriage_of, forget
from tenants.moves.left_behind import are_due
from tenants.moves.steps import KEYS, before_start, gone_on
from tenants.moves.words import home_words, in_home
from zenpro_site.common.sealing import SecretsUnreadable

log = structlog.get_logger("zenpro.agent")
Step = TenantMove.Step
AHEAD = (Step.STOPPING, Step.TAKING, Step.PUTTING, Step.STARTING)
# How long a step may wait for what does not answer or does not come, in seconds; a start has limits of its own.
LIMITS = {
    Step.STOPPING: 900.0,
    Step.TAKING: 3900.0,
    Step.PUTTING: 3900.0,
    Step.STARTING: 900.0,
    Step.RETURNING: 300.0,
}
CLEAR_AGAIN = 60.0  # seconds between tries to remove what was left in one place
# What was measured of one home says nothing of another.
UNMEASURED = {"disk_bytes": 0, "disk_measured_at": None}
BEGUN_RUN = "A run was begun just before the server stopped."


class Mover:
    """`write(tenant, **columns)`: how the loop writes a tenant's row."""

    def __init__(self, hostings: Mapping[str, Hosting], write: Callable[..., None]):
        self.hostings, self.write = hostings, write
        self.tried: dict[tuple, float] = {}

    def go_on(self, tenant: Tenant) -> None:
        """Take it as far as its server is to start where its row says that it lives. Raises ServerError, NotYet."""
        move = open_move(tenant)
        if move is None:
            return
        if tenant.desired_state != Tenant.DesiredState.AVAILABLE:
            self._abandon(tenant, move)
            return
        steps = {Step.STOPPING: self._stop, Step.TAKING: self._take, Step.PUTTING: self._put}
        steps[Step.RETURNING] = self._return
        while step := steps.pop(move.step, None):
            step(tenant, move)

    # -- there

    def _stop(self, tenant: Tenant, move: TenantMove) -> None:
        """Nothing may write to the database while it is copied."""
        if unfinished_runs(tenant):
            raise ServerError(BEGUN_RUN)
        self.hostings[move.origin].stop(tenant)
        self._step(tenant, move, Step.TAKING)

    def _take(self, tenant: Tenant, move: TenantMove) -> None:
        """What the new home needs is reserved before anything is put there."""
        self.hostings[move.origin].take_out(tenant, carriage_of(move))
        self.hostings[move.destination].provision(tenant, self._tell(tenant))
        self._step(tenant, move, Step.PUTTING)

    def _put(self, tenant: Tenant, move: TenantMove) -> None:
        self.hostings[move.destination].put_in(tenant, carriage_of(move))
        with transaction.atomic():
            self._step(tenant, move, Step.STARTING)
            self.write(tenant, kind=move.destination, **UNMEASURED)

    def _tell(self, tenant: Tenant) -> Tell:
        """The steps of provisioning are told again when the server starts."""

        def tell(key: str, note: str, *, done: bool = False) -> None:
            change = progress.finish if done else progress.begin
            self.write(tenant, progress=change(tenant.progress, key, note))

        return tell

    def _step(self, tenant: Tenant, move: TenantMove, step: str) -> None:
        steps = gone_on(tenant.progress, KEYS[move.step], KEYS.get(step, ""))
        with transaction.atomic():
            self._note(move, step=step, ticket_hash="")
            self.write(tenant, progress=steps, state_reason=f"It moves to {home_words(move.destination)}.")

    def steps_of(self, tenant: Tenant) -> list[dict]:
        """Those of a start that is about to begin."""
        move, hosting = open_move(tenant), self.hostings[tenant.kind]
        if move is not None and move.step == Step.STARTING:
            return before_start(tenant.progress, hosting)
        return progress.fresh(hosting.steps)

    def arrived(self, tenant: Tenant) -> None:
        """It answers where its row says that it lives. To be called in the transaction that writes so."""
        move = open_move(tenant)
        if move is not None:
            self._end(move, Step.MOVED if move.step == Step.STARTING else Step.RETURNED)
            if move.step == Step.MOVED:
                record("tenant.moved", tenant, None, *_homes(move))

    # -- and back

    def turns_back(self, tenant: Tenant, reason: str) -> bool:
        """It could not go on. True when it goes back now; False when there is no way back, or no move."""
        move = open_move(tenant)
        if move is None:
            return False
        if move.step not in AHEAD:
            self._end(move, Step.RETURNED)
            return False
        self._turn_back(tenant, move, reason)
        return True

    def is_late(self, tenant: Tenant) -> bool:
        """Has a move waited too long for something on its way there?"""
        move = open_move(tenant)
        return move is not None and move.step in AHEAD and _waited(move) > LIMITS[Step(move.step)]

    def _turn_back(self, tenant: Tenant, move: TenantMove, reason: str) -> None:
        log.warning("a move failed", tenant=str(tenant.pk), reason=reason)
        words = f"The move failed: {reason} It starts {in_home(move.origin)} again."
        with transaction.atomic():
            self._note(move, step=Step.RETURNING, failure=reason[:500], ticket_hash="")
            status = Tenant.Status.PENDING
            self.write(
                tenant, kind=move.origin, status=status, state_reason=words[:500], progress=[], **UNMEASURED
            )
            record("tenant.move_failed", tenant, None, *_homes(move, reason=reason[:300]))
        forget(move)

    def _return(self, tenant: Tenant, move: TenantMove) -> None:
        """Two servers of one tenant are never to run. A home that does not answer for long is left for later."""
        self._wait_for_the_end_there(tenant, move, (NotYet, SupervisorGone))

    def _wait_for_the_end_there(
        self, tenant: Tenant, move: TenantMove, awaited: tuple[type[ServerError], ...] = (NotYet,)
    ) -> None:
        try:
            self.hostings[move.destination].stop(tenant)
        except awaited:
            if _waited(move) <= LIMITS[Step.RETURNING]:
                raise
        except (ServerError, SecretsUnreadable) as error:
            log.warning("could not stop after a move", tenant=str(tenant.pk), reason=str(error))
        self.hostings[move.origin].stop(tenant)

    def _abandon(self, tenant: Tenant, move: TenantMove) -> None:
        """It is to run nowhere any more. Its data are where its row says that it lives."""
        self._wait_for_the_end_there(tenant, move)
        self._end(move, Step.MOVED if tenant.kind == move.destination else Step.RETURNED)

    # -- rows

    def _note(self, move: TenantMove, **values) -> None:
        values |= {"step_since": timezone.now()} if "step" in values else {}
        for name, value in values.items():
            setattr(move, name, value)
        TenantMove.objects.filter(pk=move.pk).update(**values)

    def _end(self, move: TenantMove, step: str) -> None:
        self._note(move, step=step, ended_at=timezone.now(), ticket_hash="")
        forget(move)

    # -- what is left behind

    def clear(self) -> None:
        """Remove what moves have left in homes where their tenants are no longer, once nobody may want it back."""
        for tenant, home, moves in _left_behind():
            for one in moves:
                forget(one)  # whoever ended it may have been killed before that
            due = are_due(moves)
            if tenant.kind == home or (due and self._is_time(tenant, home) and self._cleared(tenant, home)):
                TenantMove.objects.filter(pk__in=[one.pk for one in moves]).update(cleared_at=timezone.now())

    def _is_time(self, tenant: Tenant, home: str) -> bool:
        now, key = time.monotonic(), (tenant.pk, home)
        if now - self.tried.get(key, -math.inf) < CLEAR_AGAIN:
            return False
        self.tried[key] = now
        return True

    def _cleared(self, tenant: Tenant, home: str) -> bool:
        if not _is_still_elsewhere(tenant, home):
            return False
        try:
            self.hostings[home].retire(tenant)
        except (ServerError, SecretsUnreadable) as error:
            log.warning("something is left of a move", tenant=str(tenant.pk), reason=str(error))
            return False
        self.tried.pop((tenant.pk, home), None)
        return True


def open_move(tenant: Tenant) -> TenantMove | None:
    return tenant.moves.open().first()


def _waited(move: TenantMove) -> float:
    return (timezone.now() - move.step_since).total_seconds()


def _homes(move: TenantMove, **more: str) -> tuple[dict, dict]:
    return {"home": home_words(move.origin)}, {"home": home_words(move.destination), **more}


def _left_behind() -> Iterator[tuple[Tenant, str, list[TenantMove]]]:
    """(tenant, home, all moves that have left something of it there), for tenants that are not on their way."""
    resting = TenantMove.objects.uncleared().exclude(tenant__in=Tenant.objects.moving().values("pk"))
    moves = list(resting.select_related("tenant", *(f"tenant__{name}" for name in READ_WITH)))
    for tenant, home in {(move.tenant, move.left): None for move in moves}:
        yield tenant, home, [one for one in moves if (one.tenant_id, one.left) == (tenant.pk, home)]


def _is_still_elsewhere(tenant: Tenant, home: str) -> bool:
    """Removing what others left may have taken long. From here on no move leads there until this is removed."""
    resting = Tenant.objects.filter(pk=tenant.pk).exclude(pk__in=Tenant.objects.moving().values("pk"))
    return resting.exclude(kind=home).exists()
