"""A real snapshot of the example project, and short snapshots made up for one schema."""

import json
from pathlib import Path

from tenants.run_templates.document.configuration import Recorded, completed, problems_of, values_of
from tenants.run_templates.document.form_data import inputs

DATA = Path(__file__).parents[2] / "data"


def churn_snapshot():
    return json.loads((DATA / "churn_snapshot.json").read_text())


def snapshot_of(properties, recorded=None, **spec):
    """A snapshot with one step `work` whose parameters have these schemas."""
    schema = {"additionalProperties": False, "type": "object", "properties": properties, **spec}
    defaults = {name: prop.get("default") for name, prop in properties.items()}
    step = {
        "spec": {"upstream_steps": [], "parameter_spec": schema, "source": {"module": "a.b", "type": "user"}},
        "config": {"parameters": {**defaults, **(recorded or {})}},
        "step_config_overrides": {},
    }
    return {
        "body": {"is_dynamic": False},
        "metadata": {
            "run_name_template": "work-{date}-{time}",
            "pipeline_configuration": {"name": "work"},
            "step_configurations": {"work": step},
        },
    }


def dynamic_snapshot():
    return {
        "body": {"is_dynamic": True},
        "metadata": {
            "run_name_template": "d-{date}-{time}",
            "pipeline_configuration": {"name": "d", "parameters": {"days": 3}},
            "pipeline_spec": {
                "input_schema": {
                    "additionalProperties": False,
                    "properties": {"days": {"type": "integer", "default": 3, "minimum": 1}},
                    "type": "object",
                }
            },
            "step_configurations": {},
        },
    }


# What Document says of values for a template with this snapshot, and what its form is filled with.


def problems(document, snapshot):
    return problems_of(document, Recorded(snapshot))


def complete(document, snapshot):
    return completed(document, Recorded(snapshot))


def inputs_of(description, document):
    """Every input of the untouched form."""
    sent = {
        "run_name": document.get("run_name") or "",
        "enable_cache": "false" if document.get("enable_cache") is False else "true",
        "tags": "\n".join(document.get("tags") or []),
        "extra": json.dumps(document.get("extra") or {}),
    }
    values = values_of(document, description)
    for entry in description.fields:
        sent |= inputs(entry, values[entry.path])
    return sent
