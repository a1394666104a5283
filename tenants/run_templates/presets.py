"""Presets: values of a template under a name. Changes are atomic and leave one audit row each.

A preset keeps what it sets and nothing else, so that everything else follows the template. It is read through the
template's rules at each use: what may not be set any more is a fault at its field, and nothing is run.
"""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.run_templates.document.configuration import DocumentFault, changes
from tenants.run_templates.document.drafts import Draft, fresh, with_paths
from tenants.run_templates.document.hidden import sealed, without_sealed
from tenants.run_templates.document.parsed import ONCE, Document
from tenants.run_templates.document.sealed_secrets import sealer
from zenpro_site.common.refusals import Refused

from .models import Preset, RunTemplate

MOST_PRESETS = 100  # of one template for one person, shared ones among them
NAME_TAKEN = "There is already a preset with that name."
NO_LONGER_FITS = "Nothing was started: the preset “{0}” no longer fits."


class PresetRefused(Refused):
    """A preset that can't be kept; `field` names the form field it is about, "" for none. Nothing was written."""

    def __init__(self, reason: str, field: str = ""):
        super().__init__(reason)
        self.reason, self.field = reason, field


def presets_for(template: RunTemplate, user: AbstractBaseUser) -> QuerySet[Preset]:
    """Those the person may use: shared ones, then their own, by name."""
    mine = Q(is_shared=True) | Q(created_by=user.pk)
    return template.presets.filter(mine).select_related("created_by")


def draft_of(preset: Preset, unchanged: Document) -> Draft:
    """The template's values with those of the preset. What can't be set any more is a problem and is not shown."""
    found = with_paths(fresh(unchanged), preset.values)
    draft = Draft(unchanged.recalled(found.document))
    if count := len(found.unknown):
        what = "a value that" if count == 1 else f"{count} values that"
        problem = f"The preset “{preset}” also sets {what} can’t be set any more. Replace the preset."
        draft.problems.append(DocumentFault("", problem))
    return draft


def with_its_values(preset: Preset | None, document: Document) -> Preset | None:
    """The preset, when this document is what it makes of the document's template and it is still there; else None.

    To be called in a transaction: until it ends, the preset can't be deleted.
    """
    if preset is None:
        return None
    kept = document.template.presets.select_for_update().filter(pk=preset.pk).first()
    if kept is None:
        return None
    own = draft_of(kept, Document.of(document.template))
    is_same = not own.problems and not changes(own.parsed.complete, document.complete)
    return kept if is_same else None


def seen_configuration_of(preset: Preset, unchanged: Document) -> dict[str, Any]:
    """What it sets, as a document of nothing else, without what is hidden or gone; secrets are not shown."""
    found = with_paths(Draft(unchanged.with_values({})), preset.values)
    return without_sealed(unchanged.rules.without_hidden(found.document))


def values_set(document: Document) -> dict[str, Any]:
    """What a preset of this document sets: what differs from the template, or when nothing does every open value."""
    changed = {change.path: change.after for change in document.changes if change.path not in ONCE}
    if changed:
        return changed
    return {path: value for path, value in document.by_path.items() if not document.rules.lock_of(path)}


def save_preset(
    *, template: RunTemplate, document: Document, name: str, is_shared: bool, by: Actor
) -> Preset:
    """A new preset of these values. Raises PresetRefused."""
    if presets_for(template, by.person).count() >= MOST_PRESETS:
        raise PresetRefused(f"A template has at most {MOST_PRESETS} presets: delete one first.")
    values = _checked(template, document)
    preset = Preset(template=template, name=name, is_shared=is_shared, values=values, created_by=by.person)
    return _saved(preset, lambda: _record("preset.saved", preset, by, after=_words(preset)))


def replace_preset(*, preset: Preset, document: Document, by: Actor) -> Preset:
    """Let an existing preset set other values. Raises PresetRefused."""
    preset.values = _checked(preset.template, document)
    return _saved(preset, lambda: _record("preset.replaced", preset, by, after=_words(preset)))


def rename_preset(*, preset: Preset, name: str, is_shared: bool, by: Actor) -> Preset:
    """Another name, and whether others see it. Raises PresetRefused."""
    preset.name, preset.is_shared = name, is_shared
    return _saved(preset, lambda: _record("preset.renamed", preset, by, after=_words(preset)))


@transaction.atomic
def change_preset(
    *, preset: Preset, name: str, is_shared: bool, document: Document | None, by: Actor
) -> None:
    """Name, who sees it and what it sets, all or nothing; `document` None leaves the values. What is the same already
    leaves no row. Raises PresetRefused.
    """
    before = (preset.name, preset.is_shared)
    if document is not None and _checked(preset.template, document) != preset.values:
        replace_preset(preset=preset, document=document, by=by)
    if before != (name, is_shared):
        rename_preset(preset=preset, name=name, is_shared=is_shared, by=by)


@transaction.atomic
def delete_preset(*, preset: Preset, by: Actor) -> None:
    """Runs that were made with it stay."""
    _record("preset.deleted", preset, by, before=_words(preset))
    preset.delete()


def _checked(template: RunTemplate, document: Document) -> dict[str, Any]:
    """What it sets, secrets sealed. Raises PresetRefused for values that can't be run."""
    if document.faults:
        raise PresetRefused(document.faults[0].message)
    hidden = sealed(document.values, document.schema, sealer(template))
    return values_set(document.with_values(hidden))


def _saved(preset: Preset, record: Callable[[], None]) -> Preset:
    try:
        with transaction.atomic():
            preset.save()
            record()
    except IntegrityError as error:
        raise PresetRefused(NAME_TAKEN, "name") from error
    return preset


def _record(action: str, preset: Preset, by: Actor, **facts) -> None:
    organization = preset.template.tenant.organization
    AuditEvent.objects.record(action, preset.template, by=by, organization=organization, **facts)


def _words(preset: Preset) -> dict[str, Any]:
    return {"preset": preset.name, "shared": preset.is_shared, "values": len(preset.values)}
