"""Brings every tenant's server to where its row wants it to be.

Level-triggered: each pass looks at the row and at the real process, does the next thing, and can be killed at
any moment; the next pass, of this agent or of a new one, carries on. Only this module writes `status`.
"""

import math
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import close_old_connections, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from tenants.hosting import progress
from tenants.hosting.backends import READ_WITH, backends
from tenants.hosting.base import (
    Hosting,
    NotYet,
    ServerError,
    ServerState,
    ServerStatus,
    SupervisorGone,
    Tell,
    TenantConflict,
    TenantError,
    TenantRefused,
    may_pass,
)
from tenants.models import Tenant
from tenants.run_templates.engine.derive import is_passing
from tenants.runs.connection import connect
from zenpro_site.common.prepared import Prepared
from zenpro_site.common.sealing import SecretsUnreadable

from .moving import Mover
from .starts import SLOT_TIME, STARTS_AT_ONCE, Patience, Slot, limit_for

log = structlog.get_logger("zenpro.agent")
Status, Desired = Tenant.Status, Tenant.DesiredState

RETRY_EVERY = 30.0  # seconds before a server that once worked is started again
HEALTH_EVERY = 0.25  # seconds between looks while a server starts
SWEEP_EVERY = 10.0  # seconds between looks for servers without a tenant
MISSES = 3  # looks without an answer before anything is said: one may be chance
SILENT_LIMIT = timedelta(minutes=10)  # a process that runs and does not answer for so long is restarted
PROJECT_EVERY = 2.0  # seconds between tries to make the first project
PROJECT_LIMIT = 120.0  # seconds after which the tenant is available without it; it is made later
PROJECT_LATER = 60.0  # seconds between tries then
ANEW = timedelta(seconds=2)  # the supervisor knows whole seconds
PREPARES = "The server prepares its database"
MEET_EVERY = 10.0  # seconds between looks for tenants that this agent has never seen

# What follows from the state of a server that someone else starts.
FOLLOWED = {
    ServerStatus.RUNNING: Status.AVAILABLE,
    ServerStatus.STARTING: Status.PENDING,
    ServerStatus.STOPPED: Status.FAILED,
}
RETIRED = Q(status=Status.DELETED, retired_at__isnull=False)
# What _is_settled() and is_to_restart ask, for the database to answer.
MOVING = ~Q(status__in=[F("desired_state"), Status.FAILED])
NOT_YET_FOLLOWED = Q(desired_state=Desired.AVAILABLE) & ~Q(status__in=FOLLOWED.values())
RESTART_WANTED = Q(restart_requested_at__isnull=False) & (
    Q(restarted_at=None) | Q(restarted_at__lt=F("restart_requested_at"))
)


def _to_look_at() -> QuerySet[Tenant]:
    return Tenant.objects.exclude(RETIRED).select_related(*READ_WITH).order_by()


class Superseded(Exception):
    """The row wants something else by now: end this pass, the next one sees the new wish."""


class TenantLoop:
    """One per agent. `tick()` returns at once; passes run in threads, one a tenant at a time."""

    def __init__(self, hostings: Mapping[str, Hosting] | None = None, clock=time):
        """`hostings`: the backend of each kind of tenant, if not those of this installation."""
        self.hostings = hostings or backends()
        self.clock = clock
        self.mover = Mover(self.hostings, self._set)
        self.urgent = Prepared(lambda: _to_look_at().filter(self._urgent()))
        # What may take minutes and waits for its turn keeps no place of those that run.
        self.pool = ThreadPoolExecutor(max_workers=32, thread_name_prefix="start")
        self.quick = ThreadPoolExecutor(max_workers=8, thread_name_prefix="tenant")
        # Servers elsewhere may take seconds to answer: they keep no place of those here.
        self.looks = ThreadPoolExecutor(max_workers=4, thread_name_prefix="look")
        self.starts = threading.Semaphore(STARTS_AT_ONCE)
        self.passes: dict[UUID, Future] = {}
        self.looked: dict[UUID, float] = {}
        self.look_at: dict[UUID, float] = {}  # when the pace of each tenant asks for the next look
        self.met = -math.inf
        self.misses: dict[UUID, list[datetime]] = {}
        self.tried: dict[UUID, float] = {}
        self.clearing: Future | None = None

    def tick(self) -> None:
        """Begin a pass for every tenant that needs one and has none under way."""
        now = time.monotonic()
        if now - self.met >= MEET_EVERY:
            self._meet(now)
        for tenant in self.candidates(now):
            if self._busy(tenant.pk):
                continue
            if self._due(tenant):
                self.looked[tenant.pk] = now
                self.passes[tenant.pk] = self._pool_for(tenant).submit(self._in_thread, tenant.pk)
            self.look_at[tenant.pk] = self.looked[tenant.pk] + self._hosting(tenant).look_every(tenant)

    def _meet(self, now: float) -> None:
        """Have every tenant that is new to this agent looked at, whatever its row says, and forget those that are gone."""
        there = set(Tenant.objects.exclude(RETIRED).order_by().values_list("pk", flat=True))
        self.look_at = {pk: self.look_at.get(pk, now) for pk in there}
        self.looked = {pk: at for pk, at in self.looked.items() if pk in there}
        self.met = now

    def candidates(self, now: float) -> list[Tenant]:
        """Those whose next look is due, and those whose rows say that it cannot wait; _due() decides."""
        urgent = self.urgent()
        due = {pk for pk, at in self.look_at.items() if at <= now}.difference(one.pk for one in urgent)
        return [*urgent, *_to_look_at().filter(pk__in=due)] if due else urgent

    def _urgent(self) -> Q:
        followed = [kind for kind, hosting in self.hostings.items() if not hosting.steps]
        ours = ~Q(kind__in=followed, desired_state=Desired.AVAILABLE)
        urgent = RESTART_WANTED | MOVING & ours | NOT_YET_FOLLOWED & ~ours
        for hosting in self.hostings.values():
            urgent |= hosting.hurried()
        return urgent

    def run_forever(self, stop: threading.Event, interval: float = 0.5) -> None:
        swept = 0.0
        while not stop.is_set():
            try:
                self.tick()
                if time.monotonic() - swept >= SWEEP_EVERY:
                    self.sweep()
                    swept = time.monotonic()
            except Exception:
                log.exception("tick failed")
            stop.wait(interval)
        for pool in (self.pool, self.quick, self.looks):
            pool.shutdown(wait=False, cancel_futures=True)

    def _hosting(self, tenant: Tenant) -> Hosting:
        return self.hostings[tenant.kind]

    def _is_followed(self, tenant: Tenant) -> bool:
        """Does someone else start its server, so that we only look?"""
        return not self._hosting(tenant).steps

    def _pool_for(self, tenant: Tenant) -> ThreadPoolExecutor:
        if self._is_followed(tenant):
            return self.looks
        runs = tenant.is_available and not tenant.is_to_restart
        return self.quick if runs or tenant.desired_state != Desired.AVAILABLE else self.pool

    def _busy(self, pk: UUID) -> bool:
        return pk in self.passes and not self.passes[pk].done()

    def _due(self, tenant: Tenant) -> bool:
        if not self._is_settled(tenant) or tenant.is_to_restart:
            return True
        since = time.monotonic() - self.looked.get(tenant.pk, -math.inf)
        return since >= self._hosting(tenant).look_every(tenant)

    def _is_settled(self, tenant: Tenant) -> bool:
        """Is it where people want it, or is there nothing we can do but look?"""
        if tenant.desired_state == Desired.AVAILABLE and self._is_followed(tenant):
            return True
        return tenant.status in (tenant.desired_state, Status.FAILED)

    def _in_thread(self, pk: UUID) -> None:
        close_old_connections()
        try:
            self.run_pass(pk)
        except Exception:
            log.exception("pass failed", tenant=str(pk))
        finally:
            close_old_connections()

    def run_pass(self, pk: UUID) -> None:
        """One pass over one tenant."""
        tenant = Tenant.objects.select_related("created_by", *READ_WITH).filter(pk=pk).first()
        if tenant is not None:
            with suppress(Superseded):
                self._towards(tenant)

    def _towards(self, tenant: Tenant) -> None:
        steps = {Desired.AVAILABLE: self._up, Desired.DEACTIVATED: self._down, Desired.DELETED: self._gone}
        try:
            self.mover.go_on(tenant)
            steps[tenant.desired_state](tenant)
        except (SupervisorGone, NotYet) as error:
            self._wait(tenant, error)
        except (ServerError, TenantError) as error:
            self._fail(tenant, error.reason)
        except SecretsUnreadable as error:
            self._fail(tenant, str(error))

    def _wait(self, tenant: Tenant, error: ServerError) -> None:
        """A supervisor comes back, or takes the agent with it; of the servers it says nothing."""
        if self.mover.is_late(tenant):
            self.mover.turns_back(tenant, error.reason)
        elif isinstance(error, NotYet):
            self._say(tenant, error.reason)
        else:
            self._note(tenant, error.reason)

    # -- wanted: available

    def _up(self, tenant: Tenant) -> None:
        if self._is_followed(tenant):
            self._follow(tenant)
            return
        if tenant.status == Status.FAILED and not self._worth_another_try(tenant):
            return
        if tenant.status == Status.AVAILABLE and tenant.is_to_restart:
            self._restart(tenant)
        elif tenant.status != Status.AVAILABLE:
            self._start(tenant)
        else:
            self._watch(tenant)

    def _follow(self, tenant: Tenant) -> None:
        """One look at a server that someone else starts."""
        state = self._hosting(tenant).state(tenant)
        status, reason = FOLLOWED.get(state.status), state.hint[:500]
        if status is None or (status, reason) == (tenant.status, tenant.state_reason):
            return
        columns = {}
        if status == Status.AVAILABLE != tenant.status:
            columns["available_since"] = timezone.now()
            if tenant.project_id is None and tenant.has_projects:
                self._set_project(tenant)
        self._set(tenant, status=status, state_reason=reason, **columns)

    def _watch(self, tenant: Tenant) -> None:
        """One look at a server that is said to be available."""
        hosting = self._hosting(tenant)
        state = hosting.state(tenant)
        if not state.alive:
            self._stopped(tenant)
        elif hosting.healthy(tenant):
            self._answered(tenant, state)
        elif is_new(tenant, state):
            self._stopped(tenant)
        else:
            self._missed(tenant)

    def _stopped(self, tenant: Tenant) -> None:
        self._set(tenant, status=Status.PENDING, state_reason="The server stopped and is starting again.")

    def _answered(self, tenant: Tenant, state: ServerState) -> None:
        self.misses.pop(tenant.pk, None)
        if tenant.silent_since or tenant.state_reason:
            self._set(tenant, state_reason="", silent_since=None)
        if is_new(tenant, state):  # it stopped, and the supervisor was faster than we
            self._set(tenant, available_since=timezone.now())
        if tenant.project_id is None and tenant.has_projects:
            self._make_project_later(tenant)

    def _make_project_later(self, tenant: Tenant) -> None:
        now = self.clock.monotonic()
        if now - self.tried.get(tenant.pk, -math.inf) >= PROJECT_LATER:
            self.tried[tenant.pk] = now
            self._set_project(tenant)

    def _missed(self, tenant: Tenant) -> None:
        """The process runs: that is said once several looks got no answer, and helped when it lasts."""
        misses = self.misses.setdefault(tenant.pk, [])
        misses.append(timezone.now())
        if tenant.silent_since and misses[-1] - tenant.silent_since > SILENT_LIMIT:
            self._set(tenant, restart_requested_at=misses[-1])
        elif tenant.silent_since is None and len(misses) >= MISSES:
            since = f"{timezone.localtime(misses[0]):%H:%M}"
            reason = f"Not answering since {since}; the process is running."
            self._set(tenant, silent_since=misses[0], state_reason=reason)

    def _worth_another_try(self, tenant: Tenant) -> bool:
        """A server that worked once is tried again by itself; a new one waits for Retry."""
        waited = timezone.now() - tenant.updated_at >= timedelta(seconds=RETRY_EVERY)
        return tenant.available_since is not None and waited

    def _restart(self, tenant: Tenant) -> None:
        minutes = SILENT_LIMIT.seconds // 60
        silent = tenant.silent_since and timezone.now() - tenant.silent_since > SILENT_LIMIT
        reason = f"The server did not answer for {minutes} minutes and restarts." if silent else ""
        reason = reason or "The server restarts."
        self._set(tenant, status=Status.PENDING, state_reason=reason, restarted_at=timezone.now())
        self._start(tenant, again=True)

    def _start(self, tenant: Tenant, again: bool = False) -> None:
        """From nothing, or from wherever an earlier pass was killed, to available. `again`: also what runs."""
        hosting = self._hosting(tenant)
        steps = self.mover.steps_of(tenant)
        self._set(tenant, status=Status.PENDING, progress=progress.begin(steps, hosting.steps[0]))
        tenant.refresh_from_db(fields=["zenml_version"])  # from here on no one may change it
        hosting.provision(tenant, self._tell(tenant, steps))
        with self._slot(tenant, steps, again) as slot:
            self._still_wanted(tenant)
            self._run(tenant, steps, slot, again)
        self._make_project(tenant, steps)
        progress.finish(steps, "ready")
        with transaction.atomic():
            self.mover.arrived(tenant)
            now = timezone.now()
            self._set(tenant, status=Status.AVAILABLE, state_reason="", progress=steps, available_since=now)

    @contextmanager
    def _slot(self, tenant: Tenant, steps: list[dict], again: bool) -> Iterator[Slot]:
        """A place among the starts; what runs already takes none and waits for none."""
        slot = Slot(self.starts)
        try:
            if again or not self._hosting(tenant).state(tenant).alive:
                self._wait_for(slot, tenant, steps)
            yield slot
        finally:
            slot.release()

    def _wait_for(self, slot: Slot, tenant: Tenant, steps: list[dict]) -> None:
        if slot.take(0):
            return
        self._set(tenant, progress=progress.begin(steps, "start", "Waiting for another server to start"))
        while not slot.take(1):
            self._still_wanted(tenant)

    def _tell(self, tenant: Tenant, steps: list[dict]) -> Tell:
        def tell(key: str, note: str, *, done: bool = False) -> None:
            change = progress.finish if done else progress.begin
            self._set(tenant, progress=change(steps, key, note))

        return tell

    def _run(self, tenant: Tenant, steps: list[dict], slot: Slot, again: bool) -> None:
        hosting, begun = self._hosting(tenant), timezone.now()
        if tenant.available_since and not hosting.has_data(tenant):
            missing = hosting.data_at(tenant)
            raise ServerError(f"The tenant's database is missing: {missing}. Put it back, then Retry.")
        self._set(tenant, progress=progress.begin(steps, "start", "The process starts under supervision"))
        (hosting.restart if again else hosting.start)(tenant)
        progress.finish(steps, "start", hosting.state(tenant).place)
        self._set(tenant, progress=progress.begin(steps, "database", PREPARES))
        patience = Patience(limit_for(tenant), self.clock.monotonic())
        while not hosting.healthy(tenant):
            self._still_wanted(tenant)
            self._note_report(tenant, steps, begun)
            state = self._give_up_when_dead(tenant)
            self._note_hint(tenant, steps, state.hint)
            self._give_up_when_idle(tenant, patience, slot, state)
            self.clock.sleep(HEALTH_EVERY)
        self._note_report(tenant, steps, begun)
        for key in ("database", "register", "health"):
            progress.finish(steps, key)

    def _note_report(self, tenant: Tenant, steps: list[dict], begun: datetime) -> None:
        """The server's first call to us says that its database is ready."""
        tenant.refresh_from_db(fields=["reported_at", "reported_version"])
        reported = tenant.reported_at
        if reported is None or reported < begun or progress.is_done(steps, "register"):
            return
        progress.finish(steps, "database", "Database is ready", at=reported)
        progress.finish(
            steps, "register", f"ZenML {tenant.reported_version} signed in to ZenPro", at=reported
        )
        self._set(tenant, progress=progress.begin(steps, "health", "Waiting for the first answer"))

    def _note_hint(self, tenant: Tenant, steps: list[dict], hint: str) -> None:
        """What it waits for, until it has called us; nothing once that has passed."""
        if not progress.is_done(steps, "database") and not progress.is_noted(
            steps, "database", hint or PREPARES
        ):
            self._set(tenant, progress=progress.begin(steps, "database", hint or PREPARES))

    def _give_up_when_dead(self, tenant: Tenant) -> ServerState:
        hosting = self._hosting(tenant)
        state = hosting.state(tenant)
        if state.status in (ServerStatus.FATAL, ServerStatus.STOPPED, ServerStatus.ABSENT):
            reason = hosting.explain_failure(tenant) or state.hint
            raise ServerError(reason or "The server stopped immediately.")
        reason = hosting.explain_failure(tenant) if state.status == ServerStatus.BACKOFF else ""
        if reason and not may_pass(reason):  # else the supervisor tries again, some times
            raise ServerError(reason)
        return state

    def _give_up_when_idle(self, tenant: Tenant, patience: Patience, slot: Slot, state: ServerState) -> None:
        """A process that works is only late; others need not wait for it."""
        now = self.clock.monotonic()
        if now - patience.began > SLOT_TIME:
            slot.release()
        if patience.is_time_to_look(now):
            cpu = self._hosting(tenant).cpu_seconds(tenant)
            patience.look(now, cpu, state.hint if state.status == ServerStatus.BACKOFF else "")

    def _make_project(self, tenant: Tenant, steps: list[dict]) -> None:
        """A Pro server starts without any project (protocol §14), so one is created as a person who can.

        A server that is slow to create it, or refuses, is not stopped: the project is created later.
        """
        if tenant.project_id or not tenant.has_projects:
            progress.finish(steps, "project", "" if tenant.project_id else "This version has no projects")
            return
        self._set(tenant, progress=progress.begin(steps, "project"))
        deadline = self.clock.monotonic() + PROJECT_LIMIT
        while (trouble := self._set_project(tenant)) and self._may_pass(trouble, deadline):
            self._still_wanted(tenant)
            self._give_up_when_dead(tenant)
            self.clock.sleep(PROJECT_EVERY)
        note = (
            "The default project exists"
            if tenant.project_id
            else "No one has a role yet: it is created later"
        )
        progress.finish(steps, "project", f"It is created later: {trouble.reason}" if trouble else note)

    def _may_pass(self, trouble: TenantError, deadline: float) -> bool:
        """Whether it is worth asking again at once: of a server under load, yes."""
        busy = not isinstance(trouble, TenantRefused) or is_passing(trouble)
        return busy and self.clock.monotonic() < deadline

    def _set_project(self, tenant: Tenant) -> TenantError | None:
        """Make the first project when there is a person to make it as. Returns why the server did not."""
        person = self._somebody(tenant)
        try:
            if person:
                self._set(tenant, project_id=default_project(connect(person, tenant)))
        except TenantError as error:
            log.warning("no project was made", tenant=str(tenant.pk), reason=error.reason)
            return error
        return None

    def _somebody(self, tenant: Tenant):
        """A person who can create projects: one with the Admin role on the tenant."""
        grants = tenant.grants.valid().filter(role__permissions__resource="project")
        grants = grants.filter(role__permissions__action="create", membership__user__is_active=True)
        grant = grants.select_related("membership__user").first()
        return grant.membership.user if grant else None

    # -- wanted: deactivated, deleted

    def _down(self, tenant: Tenant) -> None:
        self._hosting(tenant).stop(tenant)
        if (tenant.status, tenant.state_reason) != (Status.DEACTIVATED, ""):  # looked at every few seconds
            self._set(tenant, status=Status.DEACTIVATED, state_reason="")

    def _gone(self, tenant: Tenant) -> None:
        """Stop the server immediately; its data are kept for a grace period."""
        hosting = self._hosting(tenant)
        hosting.stop(tenant)
        if tenant.status != Status.DELETED:
            self._set(tenant, status=Status.DELETED, state_reason="")
        kept = timedelta(days=settings.ZENPRO_KEEP_DELETED_DAYS)
        if hosting.is_gone(tenant) or timezone.now() - tenant.deleted_at >= kept:
            self._retire(tenant)

    def _retire(self, tenant: Tenant) -> None:
        """Once nothing of it is left, it is not looked at any more."""
        try:
            self._hosting(tenant).retire(tenant)
        except ServerError as error:
            self._note(tenant, error.reason)
        else:
            self._set(tenant, retired_at=timezone.now(), state_reason="")

    def sweep(self) -> None:
        """Stop servers whose tenants are gone from the database, as after deleting an organization."""
        known = set(Tenant.objects.values_list("pk", flat=True))
        for hosting in self.hostings.values():
            self._sweep(hosting, known)
        if self.clearing is None or self.clearing.done():
            self.clearing = self.quick.submit(self._clear)

    def _clear(self) -> None:
        close_old_connections()
        try:
            self.mover.clear()
        except Exception:
            log.exception("clearing after moves failed")
        finally:
            close_old_connections()

    def _sweep(self, hosting: Hosting, known: set[UUID]) -> None:
        """One place that does not answer keeps no other from being swept."""
        try:
            for name in hosting.end_orphans(known):
                log.warning("server without a tenant was stopped", server=name)
        except ServerError as error:
            log.warning("could not look for servers without a tenant", reason=error.reason)

    # -- rows

    def _fail(self, tenant: Tenant, reason: str) -> None:
        """Say why, and leave nothing half made running."""
        log.warning("tenant failed", tenant=str(tenant.pk), reason=reason)
        try:
            self._hosting(tenant).stop(tenant)
        except (ServerError, SecretsUnreadable) as error:
            log.warning("could not stop", tenant=str(tenant.pk), reason=str(error))
        if self.mover.turns_back(tenant, reason):
            return
        steps = progress.fail(tenant.progress or progress.fresh(self._hosting(tenant).steps), reason)
        self._set(tenant, status=Status.FAILED, state_reason=reason[:500], progress=steps)

    def _still_wanted(self, tenant: Tenant) -> None:
        wish = Tenant.objects.values_list("desired_state", flat=True).get(pk=tenant.pk)
        if wish != tenant.desired_state:
            raise Superseded

    def _note(self, tenant: Tenant, reason: str) -> None:
        log.warning("pass put off", tenant=str(tenant.pk), reason=reason)
        self._say(tenant, reason)

    def _say(self, tenant: Tenant, reason: str) -> None:
        """Say why nothing goes on; of a tenant that is available it would be wrong."""
        if tenant.status != Status.AVAILABLE and tenant.state_reason != reason:
            self._set(tenant, state_reason=reason[:500])

    def _set(self, tenant: Tenant, **values) -> None:
        """Write only these columns: people may change others at the same time."""
        now = timezone.now()
        if "status" in values:
            self.misses.pop(tenant.pk, None)
            values.setdefault("silent_since", None)
        for name, value in values.items():
            setattr(tenant, name, value)
        Tenant.objects.filter(pk=tenant.pk).update(**values, updated_at=now)


def is_new(tenant: Tenant, state: ServerState) -> bool:
    """Was its process started after the tenant became available?"""
    started = timezone.now() - timedelta(seconds=state.uptime)
    return tenant.available_since is None or started > tenant.available_since + ANEW


def default_project(client) -> UUID:
    """Id of the project `default`, created when missing. Raises TenantError."""
    try:
        return UUID(str(client.create_project("default")["id"]))
    except TenantConflict:
        found = [project for project in client.projects() if project["name"] == "default"]
        if not found:
            raise
        return UUID(str(found[0]["id"]))
