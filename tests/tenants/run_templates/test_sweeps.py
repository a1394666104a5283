"""A sweep: its size said before, refused whole or made whole, and one table with the best on top."""

import copy
from uuid import uuid4

import pytest
from django.urls import reverse
from factories import make_grant, make_member, make_template

from orgs.users.models import Actor
from tenants.run_templates import actions
from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.document.field_rules import FieldRule, RuleKind
from tenants.run_templates.document.form_data import Unreadable
from tenants.run_templates.document.parsed import Document
from tenants.run_templates.document.schema import describe
from tenants.run_templates.document.sweeps import SweepField, combined, read_values, sweepable
from tenants.run_templates.models import Sweep, TemplateRun
from tenants.runs import shared_looks
from tenants.usage.models import Feature, Quota
from tests.tenants.runs.fakes import PROJECT, RUN_ID, churn
from zenpro_site.common.refusals import Refused

from .samples import dynamic_snapshot, snapshot_of

SNAPSHOT = churn("snapshot")
ROUNDS = "steps.train.parameters.rounds"
CUSTOMERS = "steps.load_customers.parameters.max_customers"


@pytest.fixture
def template(tenant):
    facts = {"snapshot": SNAPSHOT, "default_configuration": default_configuration(SNAPSHOT)}
    return make_template(tenant, "nightly", pipeline_name="churn", project_id=PROJECT["id"], **facts)


@pytest.fixture
def operator(org, tenant):
    person = make_member(org, "member", name="Olga Operator")
    make_grant(tenant, person, "operator")
    return person


def url(name, template, *args) -> str:
    tenant = template.tenant
    return reverse(f"run_templates:{name}", args=[tenant.organization.slug, tenant.slug, template.pk, *args])


def entry(template, path=ROUNDS):
    return Document.of(template).schema.by_path[path]


def sweep_of(template, person, *values, **more):
    fields = [SweepField(entry(template), values)]
    fields += [SweepField(entry(template, path), values) for path, values in more.items()]
    return actions.queue_sweep(
        template=template, document=Document.of(template), fields=fields, by=Actor(person)
    )


def rounds_of(run) -> int:
    return run.configuration["steps"]["train"]["parameters"]["rounds"]


# -- refusals: whole


def nothing_made() -> bool:
    return not (TemplateRun.objects.exists() or Sweep.objects.exists())


def test_more_runs_than_the_limit_are_refused_whole(template, operator, settings):
    settings.ZENPRO_SWEEP_RUNS = 2
    with pytest.raises(Refused, match="That is 3 runs; a sweep has at most 2"):
        sweep_of(template, operator, 7, 8, 9)
    assert nothing_made()


@pytest.mark.parametrize("feature", [Feature.TEMPLATE_RUN, Feature.RUN])
def test_what_the_tenants_limit_has_no_room_for_is_refused_whole(template, operator, feature):
    quota = Quota.objects.create(
        organization=template.tenant.organization, tenant=template.tenant, feature=feature, limit=2
    )
    with pytest.raises(actions.LimitReached):
        sweep_of(template, operator, 7, 8, 9)
    assert nothing_made()
    quota.limit = 3
    quota.save()
    assert sweep_of(template, operator, 7, 8, 9).runs.count() == 3


def test_what_the_limits_leave_is_said_before(template, operator, as_user):
    """Of all limits the one that leaves least; what waits to be made counts."""
    org, page = template.tenant.organization, url("sweep_new", template)
    client, data = as_user(operator), {"field-1": ROUNDS, "values-1": "7\n8\n9", "do": "count"}
    assert client.get(page).context["room"] is None
    Quota.objects.create(organization=org, feature=Feature.RUN, limit=4)
    Quota.objects.create(organization=org, tenant=template.tenant, feature=Feature.TEMPLATE_RUN, limit=40)
    sweep_of(template, operator, 5, 6)
    told = client.post(page, data)
    assert "and 2 within" in " ".join(told.content.decode().split())
    assert "Use fewer values." in told.content.decode()
    assert "Start 3 runs" not in told.content.decode()
    fewer = client.post(page, data | {"values-1": "7\n8"}).content.decode()
    assert "Start 2 runs" in fewer and "Use fewer" not in fewer
    refused = client.post(page, data | {"do": "run", "count": "3"})
    assert refused.status_code == 422 and "has reached its limit of 4" in refused.content.decode()
    assert Sweep.objects.count() == 1


def test_one_value_that_cannot_be_run_refuses_all(template, operator):
    with pytest.raises(actions.InvalidConfiguration):
        sweep_of(template, operator, 7, 0)
    template.field_rules = [FieldRule(ROUNDS, RuleKind.LOCKED).as_json()]
    template.save()
    with pytest.raises(actions.InvalidConfiguration):
        sweep_of(template, operator, 7, 8)
    assert nothing_made()


@pytest.mark.parametrize("paths", [(), (ROUNDS, ROUNDS)])
def test_a_sweep_is_over_one_or_two_different_parameters(template, operator, paths):
    fields = [SweepField(entry(template, path), (7, 8)) for path in paths]
    with pytest.raises(Refused, match="different parameters"):
        actions.queue_sweep(
            template=template, document=Document.of(template), fields=fields, by=Actor(operator)
        )


def test_whoever_may_not_run_the_template_makes_none(template, org, tenant, operator, as_user):
    viewer = make_member(org, "member")
    make_grant(tenant, viewer, "viewer")
    data = {"do": "run", "count": "1", "field-1": ROUNDS, "values-1": "9"}
    assert as_user(viewer).post(url("sweep_new", template), data).status_code == 403
    template.is_narrowed = True
    template.save()
    assert as_user(operator).post(url("sweep_new", template), data).status_code == 403
    with pytest.raises(Refused):
        sweep_of(template, operator, 7)
    assert nothing_made()


# -- values


@pytest.mark.parametrize(
    "text, values",
    [
        ("7\n8\n7\n", (7, 8)),
        ("50 to 250 step 100", (50, 150, 250)),
        ("1 to 3\n9", (1, 2, 3, 9)),
        ("1 to 4 step 2", (1, 3)),
    ],
)
def test_values_are_a_list_or_a_range(template, text, values):
    assert read_values(entry(template), text) == values


def test_steps_of_a_range_are_exact(template):
    rate = next(one for one in sweepable(Document.of(template)) if one.field.kind == "number")
    assert read_values(rate.field, "0.1 to 0.3 step 0.1") == (0.1, 0.2, 0.3)


@pytest.mark.parametrize(
    "kind, text, values",
    [("number", "1\n1.0\n1e0\n2", (1, 2)), ("integer", "7\n7", (7,)), ("string", "1\n1.0\n1", ("1", "1.0"))],
)
def test_a_value_is_taken_once_however_it_is_written(kind, text, values):
    described = describe(snapshot_of({"x": {"type": kind}}))
    assert read_values(described.by_path["steps.work.parameters.x"], text) == values


def test_true_is_another_value_than_one():
    odd = [True, 1, 1.0, "true", "1"]
    described = describe(snapshot_of({"x": {"enum": odd}}))
    entry = described.by_path["steps.work.parameters.x"]
    found = read_values(entry, "\n".join(choice.label for choice in entry.choices))
    assert [*map(repr, found)] == ["True", "1", "'true'", "'1'"]


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "at least one"),
        ("many", "whole number"),
        ("1 to 5 step 0", "goes up"),
        ("9 to 1", "goes up"),
        ("1 to 999999999999999", "more than 1000"),
        ("1 to 2 step 0.000000000000001", "more than 1000"),
        ("1\n" * 20_000, "too much"),
    ],
)
def test_odd_values_are_a_sentence(template, text, said):
    with pytest.raises(Unreadable, match=said):
        read_values(entry(template), text)


def test_locked_values_are_not_offered_and_fixed_names_differ(template):
    template.field_rules = [FieldRule(ROUNDS, RuleKind.LOCKED).as_json()]
    assert ROUNDS not in [one.field.path for one in sweepable(Document.of(template))]
    document = Document.of(template).with_values({"run_name": "try"})
    names = [one.values["run_name"] for one in combined(document, [SweepField(entry(template), (1, 2))])]
    assert names == ["try-1", "try-2"]


# -- values inside of a model, and of the pipeline

P, BOOSTER = "steps.work.parameters", "steps.work.parameters.booster"
SECRET = {"type": "string", "format": "password", "writeOnly": True}
STOP = {"type": "object", "properties": {"rounds": {"type": "integer", "minimum": 1}}}
MODEL = {
    "type": "object",
    "properties": {
        "rate": {"type": "number", "exclusiveMinimum": 0},
        "kind": {"type": "string"},
        "token": SECRET,
        "stop": STOP,
        "maybe": {"anyOf": [STOP, {"type": "null"}]},
        "rows": {"type": "array", "items": STOP},
    },
}
BOOSTED = {
    "rate": 0.1,
    "kind": "tree",
    "token": "t",
    "stop": {"rounds": 25},
    "maybe": {"rounds": 1},
    "rows": [{"rounds": 1}],
}
NESTED = [("rate",), ("kind",), ("stop", "rounds")]


@pytest.fixture
def nested(tenant):
    """A template whose parameters are an integer and a model with another one inside."""
    properties = {"limit": {"type": "integer", "default": 3}, "booster": MODEL}
    snapshot = snapshot_of(properties, {"booster": BOOSTED})
    facts = {"snapshot": snapshot, "default_configuration": default_configuration(snapshot)}
    return make_template(tenant, "nested", pipeline_name="work", project_id=PROJECT["id"], **facts)


def rule(template, kind, *within, **more):
    template.field_rules = [FieldRule(BOOSTER, kind, within, **more).as_json()]
    template.save()


def places(template):
    return [one.within for one in sweepable(Document.of(template)) if one.parameter.path == BOOSTER]


def nested_sweep(template, person, **values):
    """Of "stop__rounds" or "rate", by their values."""
    field = Document.of(template).schema.by_path[BOOSTER]
    fields = [SweepField(field, tried, tuple(name.split("__"))) for name, tried in values.items()]
    facts = {"template": template, "document": Document.of(template), "fields": fields}
    return actions.queue_sweep(**facts, by=Actor(person))


@pytest.mark.parametrize(
    ("kind", "within", "left"),
    [
        (RuleKind.LOCKED, ("rate",), [("kind",), ("stop", "rounds")]),
        (RuleKind.LOCKED, ("stop",), [("rate",), ("kind",)]),
        (RuleKind.LOCKED, (), []),
        (RuleKind.HIDDEN, ("stop",), [("rate",), ("kind",)]),
        (RuleKind.HIDDEN, ("stop", "rounds"), [("rate",), ("kind",)]),
        (RuleKind.HIDDEN, (), []),
    ],
)
def test_what_is_locked_or_hidden_inside_is_neither_offered_nor_swept(
    nested, operator, as_user, kind, within, left
):
    field = entry(nested, BOOSTER)
    rule(nested, kind, *within)
    assert places(nested) == left
    gone = next(place for place in NESTED if place not in left)
    data = {"field-1": f"{BOOSTER}/{'/'.join(gone)}", "values-1": "1\n2", "do": "run", "count": "2"}
    page = as_user(operator).post(url("sweep_new", nested), data)
    assert page.status_code == 422 and "Choose one of these parameters." in page.content.decode()
    facts = {"document": Document.of(nested), "fields": [SweepField(field, (7, 8), gone)]}
    with pytest.raises((Refused, actions.InvalidConfiguration)):
        actions.queue_sweep(template=nested, by=Actor(operator), **facts)
    assert nothing_made()


@pytest.mark.parametrize(
    ("kind", "more", "name", "values"),
    [
        (RuleKind.CHOICES, {"values": ("tree", "line")}, "kind", ("line", "other")),
        (RuleKind.RANGE, {"minimum": 0.1, "maximum": 0.5}, "rate", (0.2, 0.6)),
    ],
)
def test_choices_and_ranges_inside_hold_for_each_value(nested, operator, as_user, kind, more, name, values):
    rule(nested, kind, name, **more)
    with pytest.raises(actions.InvalidConfiguration):
        nested_sweep(nested, operator, **{name: values})
    text = "\n".join(map(str, values))
    data = {"field-1": f"{BOOSTER}/{name}", "values-1": text, "do": "run", "count": "2"}
    assert as_user(operator).post(url("sweep_new", nested), data).status_code == 422
    assert nothing_made()
    nested_sweep(nested, operator, **{name: values[:1]})
    assert (
        TemplateRun.objects.get().configuration["steps"]["work"]["parameters"]["booster"][name] == values[0]
    )


def test_secrets_rows_and_shapes_that_may_be_others_are_not_offered(nested):
    assert places(nested) == NESTED


@pytest.mark.parametrize("within", [("gone",), ("stop", "gone"), ("rate", "gone"), ("stop",), ("token",)])
def test_a_place_that_is_none_is_refused(nested, operator, within):
    with pytest.raises((Refused, actions.InvalidConfiguration)):
        nested_sweep(nested, operator, **{"__".join(within): (7, 8)})
    assert nothing_made()


@pytest.mark.parametrize(
    "value", ["5", "null", '{"stop": 5}', '{"stop": [{"rounds": 1}], "rate": {}}', "[[]]"]
)
def test_odd_values_of_a_model_are_no_error(nested, operator, as_user, value):
    document = f'{{"steps": {{"work": {{"parameters": {{"booster": {value}}}}}}}}}'
    data = {"field-1": f"{BOOSTER}/stop/rounds", "values-1": "7\n8", "do": "run", "count": "2"}
    data |= {"shown": "diff", "document": document}
    assert as_user(operator).post(url("sweep_new", nested), data).status_code == 422
    assert nothing_made()


def test_values_of_the_wrong_type_inside_are_refused(nested, operator):
    with pytest.raises(actions.InvalidConfiguration):
        nested_sweep(nested, operator, stop__rounds=(7, 0))
    with pytest.raises(Refused, match="different parameters"):
        field = SweepField(Document.of(nested).schema.by_path[BOOSTER], (7,), ("rate",))
        actions.queue_sweep(
            template=nested, document=Document.of(nested), fields=[field, field], by=Actor(operator)
        )
    assert nothing_made()


def test_two_values_of_one_model_are_swept_together_and_shown(nested, operator, as_user, server):
    client, page = as_user(operator), url("sweep_new", nested)
    data = {"field-1": f"{BOOSTER}/stop/rounds", "values-1": "10 to 20 step 10"}
    data |= {"field-2": f"{BOOSTER}/rate", "values-2": "0.1\n0.2", "do": "count"}
    told = client.post(page, data)
    assert "work, booster.stop.rounds (" in " ".join(told.content.decode().split())
    assert told.context["form"].combinations == [["10", "0.1"], ["10", "0.2"], ["20", "0.1"], ["20", "0.2"]]
    assert client.post(page, {**data, "do": "run", "count": "4"}).status_code == 302
    sweep = Sweep.objects.get()
    made = [
        run.configuration["steps"]["work"]["parameters"]["booster"] for run in sweep.runs.order_by("number")
    ]
    assert [(one["stop"]["rounds"], one["rate"]) for one in made] == [
        (10, 0.1),
        (10, 0.2),
        (20, 0.1),
        (20, 0.2),
    ]
    assert all(one["kind"] == "tree" and one["maybe"] == {"rounds": 1} for one in made)
    table = client.get(sweep.get_absolute_url())
    assert table.context["rows"][0].values == [("booster.stop.rounds", "10"), ("booster.rate", "0.1")]
    rule(nested, RuleKind.HIDDEN, "stop")
    for address in (sweep.get_absolute_url(), nested.get_absolute_url()):
        shown = client.get(address).content.decode()
        assert "booster.rate" in shown and "stop.rounds" not in shown


def test_parameters_of_a_pipeline_are_swept_too(tenant, operator):
    snapshot = dynamic_snapshot()
    metadata = snapshot["metadata"]
    metadata["pipeline_spec"]["input_schema"]["properties"]["model"] = STOP
    metadata["pipeline_configuration"]["parameters"]["model"] = {"rounds": 5}
    facts = {"snapshot": snapshot, "default_configuration": default_configuration(snapshot)}
    template = make_template(tenant, "dynamic", pipeline_name="d", project_id=PROJECT["id"], **facts)
    found = sweepable(Document.of(template))
    assert [(one.parameter.path, one.within) for one in found] == [
        ("parameters.days", ()),
        ("parameters.model", ("rounds",)),
    ]
    days, rounds = (SweepField(one.parameter, (2, 4), one.within) for one in found)
    facts = {"template": template, "document": Document.of(template), "fields": [days, rounds]}
    sweep = actions.queue_sweep(**facts, by=Actor(operator))
    made = [run.configuration["parameters"] for run in sweep.runs.order_by("number")]
    assert [(one["days"], one["model"]["rounds"]) for one in made] == [(2, 2), (2, 4), (4, 2), (4, 4)]


# -- the pages


def test_the_number_is_said_before_anything_runs(template, operator, as_user):
    client, page = as_user(operator), url("sweep_new", template)
    data = {"field-1": ROUNDS, "values-1": "7\n8", "field-2": CUSTOMERS, "values-2": "100\n200\n300"}
    told = client.post(page, {**data, "do": "run"})
    assert "6 runs" in told.content.decode() and "of at most 20" in told.content.decode()
    assert nothing_made()
    assert client.post(page, {**data, "do": "run", "count": "5"}).status_code == 200
    assert nothing_made()
    made = client.post(page, {**data, "do": "run", "count": "6"})
    sweep = Sweep.objects.get()
    assert (made.status_code, made.url) == (302, sweep.get_absolute_url())
    assert [rounds_of(run) for run in sweep.runs.order_by("number")] == [7, 7, 7, 8, 8, 8]
    assert client.post(page, {**data, "values-1": "7\nx", "do": "run", "count": "6"}).status_code == 422
    assert "nonsense" not in client.post(page, {"field-1": "nonsense", "do": "count"}).content.decode()


@pytest.mark.parametrize(
    "document", ["x", "[]", '{"steps": null}', '{"steps": {"train": 1}}', '{"run_name": 5}']
)
@pytest.mark.parametrize("name", ["sweep_new", "preset_new"])
def test_odd_documents_are_no_error(template, operator, as_user, name, document):
    data = {"field-1": ROUNDS, "values-1": "7\n8", "do": "count", "shown": "diff", "document": document}
    template.field_rules = [FieldRule(CUSTOMERS, RuleKind.HIDDEN).as_json()]
    template.save()
    assert as_user(operator).post(url(name, template), data).status_code in (200, 422)


@pytest.fixture
def measured(template, operator, server):
    """A sweep of three runs of which two have logged an accuracy of 0.5 and 0.9."""
    sweep = sweep_of(template, operator, 7, 8, 9)
    for run, accuracy in zip(sweep.runs.order_by("number"), (0.5, 0.9, None), strict=True):
        if accuracy is None:
            continue
        run.zenml_run_id, run.state = server.add_run(), "completed"
        run.save()
        steps = copy.deepcopy(server.step_answers[str(RUN_ID)])
        for step in steps["items"]:
            step["metadata"]["run_metadata"] = {"accuracy": accuracy} if step["name"] == "train" else {}
        server.step_answers[str(run.zenml_run_id)] = steps
    del server.run_answers[str(RUN_ID)]  # the double does not filter by id
    server.calls.clear()
    return sweep


def test_the_best_is_on_top_either_way(measured, operator, as_user, server):
    client = as_user(operator)
    answer = client.get(measured.get_absolute_url())
    rows = answer.context["rows"]
    assert [(row.metric, row.is_best) for row in rows] == [(0.9, True), (0.5, False), (None, False)]
    assert len(server.calls) == 3
    assert all(str(row.run.zenml_run_id) in server.filters[-1]["id"] for row in rows[:2])
    assert answer.context["compared"] == [row.run.zenml_run_id for row in rows[:2]]
    lower = client.get(measured.get_absolute_url(), {"better": "lower"}).context["rows"]
    assert [row.metric for row in lower] == [0.5, 0.9, None]


def test_who_looks_at_the_same_moment_shares_the_answer(
    measured, operator, org, as_user, server, monkeypatch
):
    monkeypatch.setattr(shared_looks, "KEPT", 60)
    TemplateRun.objects.filter(zenml_run_id=None).update(state="running")
    other = make_member(org)
    make_grant(measured.template.tenant, other, "operator")
    for person in (operator, other):
        rows = as_user(person).get(measured.get_absolute_url()).context["rows"]
        assert [row.metric for row in rows] == [0.9, 0.5, None]
    assert len(server.calls) == 3


def test_hostile_answers_and_a_silent_server_are_no_error(measured, operator, as_user, server):
    first = measured.runs.order_by("number").first()
    odd = server.step_answers[str(first.zenml_run_id)]
    for step in odd["items"]:
        step["metadata"]["run_metadata"] = {"accuracy": "<script>", "nan": float("nan"), "deep": [{}]}
    assert (
        as_user(operator).get(measured.get_absolute_url(), {"metric": "metric:x." + "y" * 400}).status_code
        == 200
    )
    server.run_answers.clear()
    assert as_user(operator).get(measured.get_absolute_url()).context["metrics"].chosen is None


def test_what_is_hidden_by_now_is_not_in_the_table(measured, template, operator, as_user):
    template.field_rules = [FieldRule(ROUNDS, RuleKind.HIDDEN).as_json()]
    template.save()
    for page in (measured.get_absolute_url(), template.get_absolute_url()):
        assert "rounds" not in as_user(operator).get(page).content.decode()


def test_all_runs_of_a_sweep_are_stopped_by_whoever_made_it_or_manages(
    measured, operator, org, tenant, as_user
):
    other, admin = make_member(org), make_member(org)
    make_grant(tenant, other, "operator")
    make_grant(tenant, admin, "admin")
    address = url("sweep_stop", measured.template, measured.pk)
    page = as_user(other).get(measured.get_absolute_url()).content.decode()
    assert address not in page and as_user(other).post(address).status_code == 403
    assert not measured.runs.exclude(cancel_requested_at=None).exists()
    client = as_user(operator)
    assert f'action="{address}"' in client.get(measured.get_absolute_url()).content.decode()
    assert client.post(address, follow=True).redirect_chain[-1][0] == measured.get_absolute_url()
    assert [run.cancel_requested_by for run in measured.runs.order_by("number")] == [None, None, operator]
    assert address not in client.get(measured.get_absolute_url()).content.decode()
    assert "All runs of this sweep have ended." in as_user(admin).post(address, follow=True).content.decode()


def test_the_best_run_becomes_the_default_for_those_who_may_edit(measured, operator, org, tenant, as_user):
    admin = make_member(org)
    make_grant(tenant, admin, "admin")
    best = measured.runs.get(number=2)
    link = f'href="{url("make_default", measured.template)}?run={best.zenml_run_id}"'
    page = as_user(admin).get(measured.get_absolute_url()).content.decode()
    assert link in page and page.count("Make this the default") == 1
    assert "Make this the default" not in as_user(operator).get(measured.get_absolute_url()).content.decode()


def test_a_sweep_of_another_template_is_404(measured, tenant, operator, as_user):
    other = make_template(tenant, snapshot=SNAPSHOT)
    assert as_user(operator).get(url("sweep", other, measured.pk)).status_code == 404
    assert as_user(operator).get(url("sweep", measured.template, uuid4())).status_code == 404
