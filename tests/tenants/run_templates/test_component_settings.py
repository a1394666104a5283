"""Settings of stack components: which may be set, from the server's flavor into the form and on to the tenant."""

import json
from copy import deepcopy

import pytest
from factories import make_template, make_tenant

from tenants.hosting.base import TenantUnreachable
from tenants.run_templates.component_schemas import with_components
from tenants.run_templates.document.component_settings import settings_of
from tenants.run_templates.document.components import ALLOWED, KEY, components_of
from tenants.run_templates.document.configuration import Recorded, default_configuration, problems_of
from tenants.run_templates.document.drafts import fresh, like, reset
from tenants.run_templates.document.parsed import Document
from tenants.run_templates.document.schema import describe
from tenants.run_templates.document.stack_integrations import KEY as INTEGRATIONS
from tenants.run_templates.document.submissions import parse_form
from tenants.run_templates.engine.derive import snapshot_body
from tenants.run_templates.pages.presentation import DraftEditor
from tests.tenants.runs.fakes import FakeTenantClient

from .samples import DATA, churn_snapshot, complete

WIRE = json.loads((DATA / "kubernetes_stack.json").read_text())  # of ZenML 0.98.0, with fewer settings
NAME = "orchestrator:k8s"
PODS = {"node_selectors": {"gpu": "yes"}}
SHOWN = ["max_parallelism", "job_name_prefix", "job_monitoring_interval", "prevent_orchestrator_pod_caching"]


def client_of(wire=WIRE, run="run"):
    client = FakeTenantClient()
    answer = next(iter(client.run_answers.values()))
    client.stacks[answer["resources"]["stack"]["id"]] = deepcopy(wire["stack"])
    client.flavors["orchestrator.kubernetes"] = deepcopy(wire["flavor"])
    return client


def asked(client, snapshot):
    return with_components(client, client.run(next(iter(client.run_answers))), snapshot)


def on_kubernetes(**recorded):
    """The recorded snapshot of a run on a Kubernetes stack, with these settings of its orchestrator."""
    snapshot = churn_snapshot()
    if recorded:
        snapshot["metadata"]["pipeline_configuration"]["settings"] = {NAME: recorded}
    return asked(client_of(), snapshot)


def document_of(snapshot, **wanted):
    default = default_configuration(snapshot)
    return {**default, "settings": {**default.get("settings", {}), NAME: wanted}}


def faults(document, snapshot):
    return [(one.place, one.short or one.message) for one in problems_of(document, Recorded(snapshot))]


def sent(document, snapshot, org):
    template = make_template(make_tenant(org), snapshot=snapshot)
    return snapshot_body(template, complete(document, snapshot))


# -- refusals


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("privileged", True, "“privileged” cannot be set here."),
        ("service_account_name", "admin", "“service_account_name” cannot be set here."),
        ("pod_settings", {"env": [{"name": "A", "value": "b"}]}, "“pod_settings” cannot be set here."),
        ("kubernetes_context", "other", "“kubernetes_context” cannot be set here."),
        ("bogus", 1, "“bogus” cannot be set here."),
        ("max_parallelism", 0, "Enter a whole number that is above 0."),
        ("max_parallelism", "many", "Enter a whole number that is above 0."),
        ("prevent_orchestrator_pod_caching", "maybe", "Enter true or false."),
        (
            "job_name_prefix",
            "${HOME}",
            "“${” is not allowed here: ZenML could fill in an environment variable.",
        ),
    ],
)
@pytest.mark.parametrize("step", ["", "train"], ids=["run", "step"])
def test_what_is_not_allowed_or_does_not_fit_is_a_fault(name, value, said, step):
    snapshot = on_kubernetes()
    document = default_configuration(snapshot)
    holder = document["steps"][step] if step else document
    holder["settings"] = {NAME: {name: value}}
    place = f"steps.{step}.settings.{NAME}.{name}" if step else f"settings.{NAME}.{name}"
    assert faults(document, snapshot) == [(place, said)]


@pytest.mark.parametrize("key", ["docker", "orchestrator:other", "orchestrator.kubernetes", "environment"])
def test_settings_of_anything_else_are_refused(key):
    snapshot = on_kubernetes()
    document = {**default_configuration(snapshot), "settings": {key: {"max_parallelism": 2}}}
    said = f"“{key}” cannot be set here; only “resources” and “{NAME}” can."
    assert faults(document, snapshot) == [(f"settings.{key}", said)]


def test_a_snapshot_stored_without_components_has_no_such_settings():
    snapshot = churn_snapshot()
    document = document_of(snapshot, max_parallelism=2)
    assert faults(document, snapshot) == [
        (f"settings.{NAME}", f"“{NAME}” cannot be set here; only “resources” can.")
    ]


def test_no_allowed_name_decides_about_images_accounts_secrets_or_volumes():
    words = ("env", "secret", "image", "docker", "account", "role", "password", "token", "key", "privileged")
    words += ("volume", "mount", "pod_settings", "synchronous", "args", "namespace", "policy")
    odd = [
        (flavor, name)
        for flavor, names in ALLOWED.items()
        for name in names
        for word in words
        if word in name.replace("volume_size_in_gb", "")
    ]
    assert odd == []


# -- what the server tells


def test_the_schema_of_the_flavor_is_kept_as_far_as_it_is_allowed():
    client = client_of()
    (kept,) = asked(client, churn_snapshot())[KEY]
    assert [*kept] == ["type", "name", "flavor", "settings"]
    assert (kept["type"], kept["name"], kept["flavor"]) == ("orchestrator", "k8s", "kubernetes")
    assert sorted(kept["settings"]) == sorted(SHOWN)
    assert client.calls == ["run", "stack", "flavor"]


@pytest.mark.parametrize(
    "break_it",
    [
        lambda client: client.stacks.clear(),
        lambda client: client.flavors.clear(),
        lambda client: client.flavors["orchestrator.kubernetes"].update(metadata={"config_schema": [1]}),
        lambda client: next(iter(client.stacks.values())).update(metadata={"components": ["x"]}),
    ],
    ids=["no stack", "no flavor", "no schema", "no components"],
)
def test_a_server_that_tells_nothing_leaves_nothing_to_set(break_it):
    client = client_of()
    break_it(client)
    found = asked(client, {**churn_snapshot(), KEY: [{"type": "orchestrator", "name": "x"}]})
    assert components_of(found) == ()
    assert {**found, KEY: None, INTEGRATIONS: None} == {**churn_snapshot(), KEY: None, INTEGRATIONS: None}


def test_a_server_that_does_not_answer_is_said():
    client = client_of()
    run = client.run(next(iter(client.run_answers)))
    client.error = TenantUnreachable("gone")
    with pytest.raises(TenantUnreachable):
        with_components(client, run, churn_snapshot())


@pytest.mark.parametrize(
    "kept",
    [
        None,
        {"type": "orchestrator"},
        "x",
        [1, {}, {"type": [], "name": "a", "flavor": "kubernetes"}],
        [{"type": "orchestrator", "name": "a\nb", "flavor": "kubernetes", "settings": {"max_parallelism": {}}}],
        [{"type": "orchestrator", "name": "a", "flavor": "kubernetes", "settings": {"privileged": {"type": "boolean"}}}],
        [{"type": "orchestrator", "name": "a", "flavor": "kubernetes", "settings": {"max_parallelism": {"$ref": "#"}}}],
        [{"type": "orchestrator", "name": "a", "flavor": "kubernetes", "settings": {"job_name_prefix": {"enum": [*range(5000)]}}}],
    ],
    ids=["none", "object", "text", "odd types", "odd name", "not allowed", "loop", "many choices"],
)  # fmt: skip
def test_what_a_hostile_server_told_is_nothing_to_set(kept):
    assert components_of({**churn_snapshot(), KEY: kept}) == ()


@pytest.mark.parametrize(
    ("version", "recorded", "key"),
    [
        ("0.98.0", {}, NAME),
        ("0.85.0", {}, "orchestrator.kubernetes"),
        ("0.98.0", {"orchestrator.kubernetes": {"timeout": 1}}, "orchestrator.kubernetes"),
        ("0.85.0", {NAME: {"timeout": 1}, "orchestrator.kubernetes": {"timeout": 1}}, NAME),
        (None, {}, NAME),
    ],
)
def test_settings_have_the_key_that_zenml_reads(version, recorded, key):
    snapshot = on_kubernetes()
    snapshot["metadata"]["server_version"] = version
    snapshot["metadata"]["step_configurations"]["train"]["config"]["settings"] = recorded
    assert [one.key for one in components_of(snapshot)] == [key]


# -- from the form to the tenant


def test_the_form_shows_typed_inputs_with_what_was_recorded(org):
    snapshot = on_kubernetes(max_parallelism=2, pod_settings=PODS)
    template = make_template(make_tenant(org), snapshot=snapshot)
    editor = DraftEditor(template, fresh(Document.of(template)))
    views = {one.field.path.rpartition(".")[2]: one for one in editor.general.more if one.field.group}
    assert sorted(views) == sorted(SHOWN)
    assert {one.field.group for one in views.values()} == {"orchestrator k8s (kubernetes)"}
    count, switch = views["max_parallelism"], views["prevent_orchestrator_pod_caching"]
    assert (count.field.name, count.text, count.type, count.hints.minimum) == (
        "Max parallelism",
        "2",
        "number",
        "1",
    )
    assert (switch.text, switch.widget) == ("", "select")
    assert [choice.label for choice, _ in switch.options] == ["Not set", "On", "Off"]
    assert views["job_monitoring_interval"].field.range == "number, more than 0"


def test_what_is_typed_reaches_the_derived_snapshot_and_nothing_else_changes(org):
    snapshot = on_kubernetes(max_parallelism=2, job_name_prefix="old", pod_settings=PODS)
    typed = {f"settings.{NAME}.max_parallelism": "4", f"settings.{NAME}.job_name_prefix": ""}
    typed |= {
        f"settings.{NAME}.prevent_orchestrator_pod_caching": "true",
        "settings.resources.cpu_count": "2",
    }
    base, components = default_configuration(snapshot), components_of(snapshot)
    document = parse_form(describe(snapshot), typed, base, components).document
    assert faults(document, snapshot) == []
    body = sent(document, snapshot, org)
    assert body["pipeline_configuration"]["settings"] == {
        "resources": {"cpu_count": 2},
        NAME: {
            "max_parallelism": 4,
            "prevent_orchestrator_pod_caching": True,
            "pod_settings": PODS,
            "synchronous": False,
        },
    }
    assert body["step_configurations"] == snapshot["metadata"]["step_configurations"]
    assert KEY not in body


def test_a_step_gets_what_differs_and_keeps_what_it_inherits(org):
    snapshot = on_kubernetes(max_parallelism=2)
    config = snapshot["metadata"]["step_configurations"]["train"]["config"]
    config["settings"] = {NAME: {"max_parallelism": 2, "pod_settings": PODS}}
    document = default_configuration(snapshot)
    document["steps"]["train"]["settings"][NAME]["job_name_prefix"] = "train"
    step = sent(document, snapshot, org)["step_configurations"]["train"]
    assert step["step_config_overrides"]["settings"] == {NAME: {"job_name_prefix": "train"}}
    assert step["config"]["settings"] == {
        NAME: {"max_parallelism": 2, "job_name_prefix": "train", "pod_settings": PODS}
    }


def test_a_form_that_no_one_touched_changes_nothing():
    snapshot = on_kubernetes(max_parallelism=2, prevent_orchestrator_pod_caching=False)
    base, components = default_configuration(snapshot), components_of(snapshot)
    untouched = {setting.path: setting.text(base) for setting in settings_of(components)}
    assert parse_form(describe(snapshot), untouched, base, components).document == base


@pytest.mark.parametrize(
    ("name", "text"), [("max_parallelism", "many"), ("prevent_orchestrator_pod_caching", "perhaps")]
)
def test_a_text_that_does_not_fit_stays_at_its_input_with_its_fault(name, text, org):
    snapshot, path = on_kubernetes(), f"settings.{NAME}.{name}"
    template = make_template(make_tenant(org), snapshot=snapshot)
    document = Document.of(template)
    read = parse_form(document.schema, {path: text}, document.values, document.recorded.components)
    draft = fresh(document, read.document)
    draft.raw, draft.problems = read.raw, [*read.problems]
    editor = DraftEditor(template, draft)
    assert [(view.field.path, view.text) for view in editor.inputs if view.error] == [(path, text)]


def test_reset_gives_one_setting_its_value_of_the_template_back(org):
    snapshot = on_kubernetes(max_parallelism=2, job_name_prefix="old")
    template = make_template(make_tenant(org), snapshot=snapshot)
    changed = document_of(snapshot, max_parallelism=9, job_name_prefix="new")
    after = reset(fresh(Document.of(template), changed), f"settings.{NAME}.max_parallelism").document
    assert after["settings"][NAME] == {"max_parallelism": 2, "job_name_prefix": "new"}


def test_values_of_another_run_are_read_with_the_components_of_the_template(org):
    template = make_template(make_tenant(org), snapshot=on_kubernetes(max_parallelism=2))
    other = churn_snapshot()
    other["metadata"]["pipeline_configuration"]["settings"] = {
        NAME: {"max_parallelism": 7, "privileged": True}
    }
    assert like(Document.of(template), other).document["settings"] == {NAME: {"max_parallelism": 7}}


def test_a_change_is_said_in_words(org):
    snapshot = on_kubernetes(max_parallelism=2)
    template = make_template(make_tenant(org), snapshot=snapshot)
    draft = fresh(Document.of(template), document_of(snapshot, max_parallelism=4))
    (change,) = DraftEditor(template, draft).change_views
    assert (change.before, change.after) == ("max_parallelism 2", "max_parallelism 4")
