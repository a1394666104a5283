"""Secrets that were sealed for a template are from now on sealed for their field as well.

Each is bound to the first place it is found at, the template's own values before those of runs and presets. What has
no place afterwards (its key is gone) opens nothing, and has to be entered again.
"""

import json

from django.db import migrations

from zenpro_site.common.sealing import SecretsUnreadable, seal, unseal

SEALED = "sealed:"
KEPT = ("default_configuration", "previous_configuration")


def bind(apps, schema_editor):
    template, run, preset = (
        apps.get_model("run_templates", name) for name in ("RunTemplate", "TemplateRun", "Preset")
    )
    for one in template.objects.only("pk", *KEPT).iterator(chunk_size=20):
        bound: dict[str, str] = {}
        _bind(one, KEPT, _of_document, bound)
        runs = run.objects.filter(template=one).only("template", "configuration", "changes")
        for made in runs.order_by("number").iterator(chunk_size=50):
            _bind(made, ("configuration", "changes"), _of_document, bound)
        for chosen in preset.objects.filter(template=one).only("template", "values"):
            _bind(chosen, ("values",), dict.items, bound)


def _bind(row, columns, parameters, bound) -> None:
    template = str(getattr(row, "template_id", row.pk))
    before = {name: getattr(row, name) for name in columns}
    if SEALED not in json.dumps(before):
        return
    for value in before.values():
        for path, parameter in parameters(value) if isinstance(value, dict) else ():
            _note(parameter, [path], template, bound)
    after = {name: _with_places(value, bound) for name, value in before.items()}
    if after != before:
        type(row).objects.filter(pk=row.pk).update(**after)


def _of_document(document):
    """(path, value) of every parameter of a configuration document."""
    steps = document.get("steps")
    holders = [("", document), *((f"steps.{name}.", one) for name, one in (steps or {}).items())]
    for prefix, holder in holders:
        for name, value in ((holder or {}).get("parameters") or {}).items():
            yield f"{prefix}parameters.{name}", value


def _note(value, place, template, bound) -> None:
    if isinstance(value, dict | list):
        for part, inner in value.items() if isinstance(value, dict) else enumerate(value):
            _note(inner, [*place, part], template, bound)
    elif isinstance(value, str) and value.startswith(SEALED) and value not in bound:
        try:
            found = unseal(value.removeprefix(SEALED))
        except SecretsUnreadable:
            return
        if found.get("template") == template and "place" not in found:
            bound[value] = SEALED + seal({**found, "place": json.dumps(place)})


def _with_places(value, bound):
    if isinstance(value, str):
        return bound.get(value, value)
    if isinstance(value, list):
        return [_with_places(one, bound) for one in value]
    if isinstance(value, dict):
        return {key: _with_places(one, bound) for key, one in value.items()}
    return value


class Migration(migrations.Migration):
    dependencies = [("run_templates", "0015_tell")]

    operations = [migrations.RunPython(bind, migrations.RunPython.noop)]
