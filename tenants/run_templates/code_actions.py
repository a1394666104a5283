"""Code that people hand over: each is a new version for its pipeline, and leaves one audit row.

What arrives is unpacked, fetched and looked at in boxes; nothing of it is run here. It is stored by what is in it, so
the same code is kept once.
"""

from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.models import Tenant
from tenants.run_templates.document.packages import takable
from tenants.run_templates.engine.archives import freeze_archive
from tenants.run_templates.engine.code import CodeError, freeze
from tenants.run_templates.engine.git import check_address, freeze_commit
from tenants.run_templates.engine.layout import CodeLook, look_at
from tenants.run_templates.engine.stored_code import store
from tenants.run_templates.git_access import access_to, note_use, opener_of
from tenants.usage.disk_budget import MACHINE_FULL, machine_is_full, refusal_of_budget
from zenpro_site.common.characters import storable
from zenpro_site.common.refusals import Refused

from .models import CodeVersion

Kind = CodeVersion.Kind
LONGEST_FOLDER = 1024
ORIGIN = ("kind", "origin", "revision", "commit", "code_hash", "files", "bytes", "declared")


class CodeRefused(Refused):
    """Code that can't be taken; `field` names the form field it is about, "" for none. Nothing has been written."""

    def __init__(self, reason: str, field: str = ""):
        super().__init__(reason)
        self.reason, self.field = reason, field


def add_folder(*, tenant: Tenant, pipeline: str, snapshot: Mapping[str, Any], location: str, by: Actor):
    """A copy of a folder on this machine, in a directory its operator allowed. Returns a CodeVersion.

    `snapshot`: of the run whose steps are looked for in it. Raises CodeRefused.
    """
    check_space(tenant)
    with refused_at("location"):
        code_hash = freeze(location)
    facts = {"kind": Kind.FOLDER, "origin": location, "code_hash": code_hash}
    return _add(tenant, pipeline, snapshot, facts, by)


def add_archive(
    *, tenant: Tenant, pipeline: str, snapshot: Mapping[str, Any], archive: Path, name: str, by: Actor
):
    """What is in a .zip or .tar.gz; `name` is what its sender called it. Returns a CodeVersion. Raises CodeRefused."""
    check_space(tenant)
    with refused_at("archive"):
        code_hash, commit = freeze_archive(archive, str(tenant.pk))
    facts = {"kind": Kind.ARCHIVE, "origin": name[-500:], "commit": commit, "code_hash": code_hash}
    return _add(tenant, pipeline, snapshot, facts, by)


def add_pushed(
    *, tenant: Tenant, pipeline: str, snapshot: Mapping[str, Any], archive: Path, by: Actor
) -> CodeVersion:
    """What came from a terminal, a .zip or .tar.gz as well. Raises CodeRefused."""
    check_space(tenant)
    with refused_at(""):
        code_hash, commit = freeze_archive(archive, str(tenant.pk))
    facts = {"kind": Kind.PUSH, "origin": "a terminal", "commit": commit, "code_hash": code_hash}
    return _add(tenant, pipeline, snapshot, facts, by)


def add_commit(
    *,
    tenant: Tenant,
    pipeline: str,
    snapshot: Mapping[str, Any],
    url: str,
    revision: str,
    token: str,
    by: Actor,
):
    """One commit of a git repository: of a branch, a tag, by its whole id, or "" for the main branch.

    `token` is used once and kept nowhere; without one, what the tenant keeps for the repository is used. Returns a
    CodeVersion. Raises CodeRefused.
    """
    check_space(tenant)
    with refused_at("url"):
        access = access_to(tenant, check_address(url))
        opener = opener_of(access, token)
        code_hash, commit = freeze_commit(url, revision, opener, str(tenant.pk))
    if access and not token:
        note_use(access)
    facts = {"kind": Kind.GIT, "origin": url, "revision": revision, "commit": commit, "code_hash": code_hash}
    return _add(tenant, pipeline, snapshot, facts, by)


@contextmanager
def refused_at(field: str):
    """What can't be read becomes a CodeRefused at this field of a form."""
    try:
        yield
    except CodeError as error:
        raise CodeRefused(error.reason, field) from error


def check_space(tenant: Tenant) -> None:
    """Raises CodeRefused where there is no room for what code brings along."""
    if sentence := refusal_of_budget(tenant):
        raise CodeRefused(sentence)
    if machine_is_full():
        raise CodeRefused(MACHINE_FULL)


def _add(tenant: Tenant, pipeline: str, snapshot: Mapping[str, Any], facts: dict, by: Actor) -> CodeVersion:
    """The newest version of the pipeline; the last one again when this is the same from the same place."""
    with refused_at(""):
        look = look_at(facts["code_hash"], snapshot, place=str(tenant.pk))
        store(facts["code_hash"])
    layout = _layout(look)
    if not storable([pipeline, layout["roots"]]):
        raise CodeRefused("A name in this pipeline or its code has characters that can't be stored.")
    with transaction.atomic():
        Tenant.objects.select_for_update().get(pk=tenant.pk)  # numbers follow one another
        versions = tenant.code_versions.filter(pipeline_name=pipeline)
        if (same := versions.filter(**facts).first()) and same == versions.first():
            _begin_again(same)
            return same
        return _insert(tenant, pipeline, facts | layout, by)


def _begin_again(version: CodeVersion) -> None:
    """The day for which code waits for somebody to take it begins when it was handed over last."""
    waiting = CodeVersion.objects.filter(pk=version.pk, templates=None, runs=None)
    if waiting.update(created_at=(now := timezone.now())):
        version.created_at = now


def _insert(tenant: Tenant, pipeline: str, facts: dict, by: Actor) -> CodeVersion:
    versions = tenant.code_versions.filter(pipeline_name=pipeline)
    last = versions.aggregate(last=Max("number"))["last"] or 0
    version = CodeVersion.objects.create(
        tenant=tenant, pipeline_name=pipeline, number=last + 1, created_by=by.person, **facts
    )
    _record("code.added", version, by, after=_words(version))
    return version


def _layout(look: CodeLook) -> dict[str, Any]:
    starts_in = next((each for each in look.folders if len(each) <= LONGEST_FOLDER and storable(each)), "")
    declared = {path: takable(lines) for path, lines in look.declared.items() if storable(path)}
    sizes = {"files": look.files, "bytes": look.bytes}
    return {"roots": look.roots, "starts_in": starts_in, "declared": declared, **sizes}


def lay_out(
    *, version: CodeVersion, snapshot: Mapping[str, Any], roots: list[str], starts_in: str, by: Actor
) -> CodeVersion:
    """Say where modules are imported from and where relative paths begin; both are folders of the code, "" its top.

    Returns the version that has this layout: a new one when templates or runs use this one, which stays as it is for
    them. Raises CodeRefused, at "roots" or "starts_in".
    """
    if (version.roots, version.starts_in) == (roots, starts_in):
        return version
    check_layout(version, snapshot, roots, starts_in)
    layout = {"roots": roots, "starts_in": starts_in}
    with transaction.atomic():
        Tenant.objects.select_for_update().get(pk=version.tenant_id)
        if version.templates.exists() or version.runs.exists():
            facts = {name: getattr(version, name) for name in ORIGIN}
            return _insert(version.tenant, version.pipeline_name, facts | layout, by)
        before = _words(version)
        version.roots, version.starts_in = roots, starts_in
        version.save(update_fields=["roots", "starts_in"])
        _record("code.laid_out", version, by, before, _words(version))
    return version


def check_layout(version: CodeVersion, snapshot: Mapping[str, Any], roots: list[str], starts_in: str) -> None:
    """Raises CodeRefused for what is no folder of the code, and when a step is not found from them."""
    with refused_at("roots"):
        look = look_at(version.code_hash, snapshot, roots, str(version.tenant_id))
    if not set(roots) <= {"", *look.choices, *look.of_steps, *version.roots}:
        raise CodeRefused("Modules can only be imported from a folder of the code.", "roots")
    if starts_in not in {"", *look.folders, *look.choices, *look.of_steps, *roots, version.starts_in}:
        raise CodeRefused("The working directory must be a folder of the code.", "starts_in")
    if not look.is_complete:
        raise CodeRefused(missing(look), "roots")


def missing(look: CodeLook) -> str:
    """Which step is not in the code, for people; "" when all are."""
    for step in look.steps:
        if not step.is_there:
            path = step.file or f"{step.module.replace('.', '/')}.py"
            return f"The step “{step.name}” of the run comes from {path}, which is not in this code."
    return ""


def _words(version: CodeVersion) -> dict[str, Any]:
    names = ("number", "kind", "origin", "revision", "commit", "code_hash", "roots", "starts_in")
    return {"pipeline": version.pipeline_name} | {name: getattr(version, name) for name in names}


def _record(action: str, version: CodeVersion, by: Actor, before=None, after=None) -> None:
    AuditEvent.objects.record(
        action, version, by=by, organization=version.tenant.organization, before=before, after=after
    )
