"""Takes tries of code to their end: installs what they need, then imports their steps in a box.

Level-triggered as the loop of re-runs: what an earlier agent left unfinished is begun anew, since its box ended with it.
"""

import math
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import structlog
from django.db import close_old_connections

from orgs.access.gate import admits
from tenants.access.gate import tenant_permissions_of
from tenants.hosting.base import ServerError
from tenants.hosting.bounded import CallPlaces
from tenants.models import Tenant
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates.code_tries import end_try, move_try
from tenants.run_templates.engine.code import CodeError
from tenants.run_templates.engine.importing import StepImport, import_steps
from tenants.run_templates.engine.run_environments import RunEnvironments, needs_in
from tenants.run_templates.models import CodeTry
from zenpro_site.common.prepared import Prepared

log = structlog.get_logger("zenpro.agent")
State = CodeTry.State
INSTALLS = 4  # tries under way, each of another tenant; most of them wait for an installation
IMPORTS = 2  # of them that run code
PATIENCE = 3600.0  # seconds; two imports take minutes
NO_RIGHT = "You can no longer create templates in this tenant."
FAULT = "This try failed for a reason of ZenPro's own. Try again."
Import = Callable[..., list[StepImport]]


class TryLoop:
    """One per agent. `tick()` returns at once."""

    def __init__(
        self,
        environments: RunEnvironments | None = None,
        pool: Executor | None = None,
        import_them: Import = import_steps,
    ):
        self.environments = environments or RunEnvironments()
        self.pool = pool or ThreadPoolExecutor(max_workers=INSTALLS, thread_name_prefix="try")
        self.import_them = import_them
        self.places = CallPlaces(each=1, together=IMPORTS, patience=PATIENCE, credit=math.inf)
        self.under_way: dict[UUID, tuple[UUID, Future]] = {}  # tenant -> try

    def run_forever(self, stop: threading.Event, interval: float = 0.5) -> None:
        while not stop.is_set():
            close_old_connections()
            try:
                self.tick()
            except Exception:
                log.exception("tries failed")
            stop.wait(interval)
        self.pool.shutdown(wait=False, cancel_futures=True)

    def tick(self) -> None:
        """Begin those whose turn it is: one of each tenant, the oldest first."""
        self.under_way = {key: pair for key, pair in self.under_way.items() if not pair[1].done()}
        for pk, tenant in _WAITING():
            if tenant not in self.under_way and len(self.under_way) < INSTALLS:
                self.under_way[tenant] = (pk, self.pool.submit(self._in_thread, pk))

    def _in_thread(self, pk: UUID) -> None:
        close_old_connections()
        try:
            self.take(pk)
        except Exception:
            log.exception("try failed", code_try=str(pk))
            end_try(CodeTry(pk=pk), State.FAILED, FAULT)
        finally:
            close_old_connections()

    def take(self, pk: UUID) -> None:
        """From wherever it stands to its end."""
        one = _allowed(pk)
        if one is None or not move_try(one, one.state, State.INSTALLING):
            return
        try:
            python = self.environments.prepare(*needs_in(one.code.tenant, one.requirements))
            with self.places.one(str(one.code.tenant_id)):
                self._import(pk, python)
        except (CodeError, ServerError) as error:
            end_try(one, State.FAILED, error.reason)

    def _import(self, pk: UUID, python: Path) -> None:
        """Minutes may have passed since they asked. Raises CodeError."""
        one = _allowed(pk)
        if one and move_try(one, State.INSTALLING, State.IMPORTING):
            layout = one.roots, one.starts_in, one.steps
            results = self.import_them(python, one.code.code_hash, *layout, f"try-{pk}")
            end_try(one, State.DONE, results=results)


def _waiting():
    """(try, tenant), the oldest first."""
    rows = CodeTry.objects.filter(state__in=CodeTry.UNFINISHED).order_by("asked_at", "pk")
    return rows.values_list("pk", "code__tenant")


_WAITING = Prepared(_waiting)


def _allowed(pk: UUID) -> CodeTry | None:
    """The row as it is now, unless it has ended; it ends here when its person may no longer run code in the tenant."""
    one = CodeTry.objects.select_related("person", "code__tenant__organization").filter(pk=pk).first()
    if one is None or one.has_ended:
        return None
    if not _may_still(one):
        end_try(one, State.FAILED, NO_RIGHT)
        return None
    return one


def _may_still(one: CodeTry) -> bool:
    tenant = one.code.tenant
    there = tenant.desired_state != Tenant.DesiredState.DELETED and one.person.is_active
    there = there and admits(one.person, tenant.organization)
    return there and TenantPermission.TEMPLATE_CREATE in tenant_permissions_of(one.person, tenant)


def run_forever(stop: threading.Event) -> None:
    """Look after tries until told to stop; the agent calls it in a thread."""
    TryLoop().run_forever(stop)
