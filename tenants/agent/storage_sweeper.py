"""Keeps the storage that all machines share complete, and removes from it what no row refers to any more."""

from uuid import UUID

import structlog

from tenants.run_templates.engine import runner, stored_code, stored_outputs
from tenants.run_templates.engine.code import CodeError
from tenants.run_templates.models import CodeVersion, TemplateRun
from zenpro_site.common import shared_files
from zenpro_site.common.shared_files import StorageFailed

from .disk_sweeper import BATCH, CODE_KEPT

log = structlog.get_logger("zenpro.agent")


def sweep_stored() -> int:
    """Code that no template and no run uses, outputs of runs that exist no more, and what is kept no longer. Returns how
    many objects; nothing where no storage is set."""
    if not shared_files.is_set():
        return 0
    try:
        shared_files.claim()
        used = set(CodeVersion.objects.values_list("code_hash", flat=True))
        _send_missing(used)
        return stored_code.sweep(used, CODE_KEPT) + _sweep_runs()
    except StorageFailed as error:
        log.warning("the object storage could not be swept", reason=error.reason)
        return 0


def _send_missing(used: set[str]) -> None:
    """Code that was added before there was a storage."""
    for code_hash in stored_code.missing(used):
        try:
            stored_code.store(code_hash)
        except CodeError as error:
            log.warning("code could not be stored", code=code_hash, reason=error.reason)


def _sweep_runs() -> int:
    """Listed first: the row of a run is there before anything of it is stored."""
    stored, done = stored_outputs.stored_runs(), 0
    ids = list(stored)
    for at in range(0, len(ids), BATCH):
        done += _sweep_some({pk: stored[pk] for pk in ids[at : at + BATCH]})
    return done


def _sweep_some(stored: dict[UUID, set[str]]) -> int:
    rows = TemplateRun.objects.only("state", "kept_until").in_bulk(stored)
    unused = [(pk, name) for pk, names in stored.items() for name in names if _is_unused(rows.get(pk), name)]
    for pk, name in unused:
        stored_outputs.remove_stored(pk, name)
    return len(unused)


def _is_unused(run: TemplateRun | None, name: str) -> bool:
    return run is None or (name == runner.KEPT and not run.is_kept)
