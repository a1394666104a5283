"""Asking for a move to another home. Atomic, with one audit row; calls no server: the agent does what follows."""

from django.db import transaction
from django.utils import timezone

from orgs.users.models import Actor
from tenants.access.actions import locked, record
from tenants.hosting.backends import backends
from tenants.models import Tenant, TenantMove
from tenants.moves.left_behind import is_being_removed
from tenants.moves.steps import begun
from tenants.moves.words import home_words, in_home
from tenants.run_templates.models import TemplateRun
from zenpro_site.common.refusals import Refused


@transaction.atomic
def move_tenant(*, tenant: Tenant, to: str, by: Actor) -> TenantMove:
    """Ask for a tenant to move, with its data, to this kind of home.

    Raises Refused: it can't live there, it doesn't run, it moves already, or runs of its templates are not over.
    """
    row = locked(tenant)
    _check_home(row, to)
    _check_rest(row)
    now = timezone.now()
    move = TenantMove.objects.create(
        tenant=tenant, origin=row.kind, destination=to, began_at=now, step_since=now, asked_by=by.person
    )
    tenant.status, tenant.state_reason = Tenant.Status.PENDING, f"It moves to {home_words(to)}."
    tenant.progress = begun(backends()[to])
    tenant.save(update_fields=["status", "state_reason", "progress", "updated_at"])
    homes = {"home": home_words(row.kind)}, {"home": home_words(to)}
    record("tenant.move_asked", tenant, by, *homes)
    return move


def _check_home(tenant: Tenant, to: str) -> None:
    if tenant.is_elsewhere:
        raise Refused(f"Someone else runs the server of {tenant}. It can only be moved where it runs.")
    if tenant.on_database_server:
        raise Refused(
            f"The rows of {tenant} are on a database server, and ZenPro can't carry them from there yet."
        )
    if to == tenant.kind:
        raise Refused(f"{tenant} runs on {home_words(to)} already.")
    if to != tenant.other_home:
        raise Refused(f"{tenant} can't be moved there: this installation has no such home.")
    if is_being_removed(tenant, to):
        raise Refused(f"What {tenant} left {in_home(to)} is still being removed. Try again in a few minutes.")


def _check_rest(tenant: Tenant) -> None:
    if tenant.moves.open().exists():
        raise Refused(f"{tenant} is being moved already.")
    if tenant.desired_state != Tenant.DesiredState.AVAILABLE or not tenant.is_available:
        raise Refused(f"{tenant} is not running. Only a server that runs can be moved.")
    if tenant.is_to_restart:
        raise Refused(f"{tenant} is about to restart. Wait until it is available again.")
    count = unfinished_runs(tenant)
    if count:
        words = "1 run isn’t" if count == 1 else f"{count} runs aren’t"
        raise Refused(f"{words} finished. Wait for the end, or stop what still runs.")


def unfinished_runs(tenant: Tenant) -> int:
    """Runs of its templates that wait or run, here or on remote stacks: all of them report to its present address."""
    return TemplateRun.objects.filter(template__tenant=tenant).unfinished().count()
