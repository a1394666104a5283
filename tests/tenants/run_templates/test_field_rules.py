"""Who may change what: every way to a run refuses what the template forbids, and nothing tells what it hides."""

import json
from dataclasses import replace

import pytest
from django.urls import reverse
from factories import make_grant, make_key, make_member, make_template, make_template_run

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.run_templates import actions
from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.document.drafts import (
    draft_after,
    examined,
    fresh,
    from_post,
    from_query,
    like,
    link_of,
)
from tenants.run_templates.document.field_rules import MORE, FieldRule, RuleKind, place_of
from tenants.run_templates.document.parsed import RUNS_WHOLE, Document
from tenants.run_templates.models import TemplateRun
from tenants.run_templates.rules import RulesRefused, rule_places, set_rules

from .samples import snapshot_of

pytestmark = pytest.mark.any_database

P = "steps.work.parameters"
BOOSTER = {
    "type": "object",
    "title": "Booster",
    "properties": {
        "rate": {"type": "number", "default": 0.1},
        "depth": {"type": "integer", "default": 6},
        "stop": {"$ref": "#/$defs/Stop"},
    },
}
STOP = {"type": "object", "title": "Stop", "properties": {"rounds": {"type": "integer", "default": 25}}}
PROPERTIES = {
    "rounds": {"type": "integer", "default": 120, "minimum": 1},
    "stage": {"type": "string", "default": "production"},
    "bucket": {"type": "string", "default": "s3://private-bucket"},
    "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
    "booster": {"$ref": "#/$defs/Booster"},
}
BOOSTED = {"rate": 0.1, "depth": 6, "stop": {"rounds": 25}}
SNAPSHOT = snapshot_of(PROPERTIES, {"booster": BOOSTED}, **{"$defs": {"Booster": BOOSTER, "Stop": STOP}})
LOCKED = FieldRule(f"{P}.stage", RuleKind.LOCKED, reason="releases go through review.")
HIDDEN = FieldRule(f"{P}.bucket", RuleKind.HIDDEN)
FEW = FieldRule(f"{P}.rounds", RuleKind.CHOICES, values=(60, 120))
RANGE = FieldRule(f"{P}.limit", RuleKind.RANGE, minimum=1, maximum=9)
DEEP_LOCK = FieldRule(f"{P}.booster", RuleKind.LOCKED, ("stop", "rounds"))
DEEP_HIDDEN = FieldRule(f"{P}.booster", RuleKind.HIDDEN, ("depth",))
DEEP_RANGE = FieldRule(f"{P}.booster", RuleKind.RANGE, ("rate",), minimum=0, maximum=0.5)
ALL = (LOCKED, HIDDEN, FEW, RANGE, DEEP_LOCK, DEEP_HIDDEN, DEEP_RANGE)
TOKEN = {"type": "string", "format": "password", "writeOnly": True}
SECRETS = ("private-bucket", "bucket", "depth")


@pytest.fixture
def template(tenant):
    default = default_configuration(SNAPSHOT)
    rules = [rule.as_json() for rule in ALL]
    return make_template(tenant, snapshot=SNAPSHOT, default_configuration=default, field_rules=rules)


@pytest.fixture
def operator(org, tenant):
    person = make_member(org, "member", name="Olga Operator")
    make_grant(tenant, person, "operator")
    return person


@pytest.fixture
def developer(org, tenant):
    person = make_member(org, "member", name="Dave Developer")
    make_grant(tenant, person, "admin")
    return person


def values(**given) -> dict:
    return {"steps": {"work": {"parameters": given}}}


def parameters(document) -> dict:
    return document["steps"]["work"]["parameters"]


def said(template, given) -> list:
    return [
        (fault.path.removeprefix(f"{P}."), fault.within, fault.short or fault.message)
        for fault in Document.of(template).with_values(given).faults
    ]


def url(name, template, *args) -> str:
    tenant = template.tenant
    return reverse(f"run_templates:{name}", args=[tenant.organization.slug, tenant.slug, template.pk, *args])


@pytest.mark.parametrize("key, value", [("steps_to_skip", ["work"]), ("skip_successful_steps", True)])
def test_a_step_with_rules_is_not_left_out(template, operator, key, value):
    """It would have the result of the run the template was made of, whatever values are asked for."""
    assert said(template, {key: value}) == [(key, (), RUNS_WHOLE)]
    with pytest.raises(actions.InvalidConfiguration):
        actions.queue_run(template=template, configuration={key: value}, by=Actor(operator))
    assert template.runs.count() == 0
    template.field_rules = []
    template.save()
    assert said(template, {key: value}) == []


# -- what can be set beside the parameters

MORE_LOCKED = FieldRule(MORE, RuleKind.LOCKED, reason="the platform team sizes it.")
SAID_OF_MORE = "This value is locked: the platform team sizes it."
BESIDE = {
    "model": {"model": {"name": "churn", "version": "8"}},
    "tags": {"tags": ["mine"]},
    "enable_cache": {"enable_cache": False},
    "retry": {"retry": {"max_retries": 9}},
    "settings": {"settings": {"resources": {"cpu_count": 64}}},
    "extra": {"extra": {"a": 1}},
    "steps.work.enable_cache": {"steps": {"work": {"enable_cache": False}}},
    "steps.work.retry": {"steps": {"work": {"retry": {"max_retries": 9}}}},
    "steps.work.settings": {"steps": {"work": {"settings": {"resources": {"memory": "64GB"}}}}},
    "steps.work.extra": {"steps": {"work": {"extra": {"a": 1}}}},
}


@pytest.fixture
def sized(template):
    template.field_rules = [MORE_LOCKED.as_json()]
    template.save()
    return template


@pytest.mark.parametrize("path", BESIDE)
def test_what_is_set_beside_the_parameters_can_be_locked(sized, operator, path):
    """In every way to a run; what the template has itself is always right."""
    given, unchanged = BESIDE[path], Document.of(sized)
    text, leaf = json.dumps(given), given
    for key in path.split("."):
        leaf = leaf[key]
    before = make_template_run(sized, configuration=given)
    drafts = {
        "yaml": from_post(unchanged, {"shown": "yaml", "yaml": text}, {}),
        "form": from_post(unchanged, {"shown": "form", "document": text}, {}),
        "link": from_query(fresh(unchanged), {path: json.dumps(leaf)}),
        "a run of before": draft_after(unchanged, before, operator),
    }
    for way, draft in drafts.items():
        found = [(one.path, one.message) for one in examined(draft).problems]
        assert found == [(path, SAID_OF_MORE)], way
    with pytest.raises(actions.InvalidConfiguration) as refused:
        actions.queue_run(template=sized, configuration=given, by=Actor(operator))
    assert [one.path for one in refused.value.problems] == [path]
    assert sized.runs.count() == 1


def test_with_its_own_settings_a_locked_template_runs(sized, operator):
    sized.default_configuration["tags"] = ["ours"]
    sized.save()
    own = {"tags": ["ours"], "extra": {}, "enable_cache": True, "run_name": "mine-{time}"}
    run = actions.queue_run(template=sized, configuration=own | values(rounds=7), by=Actor(operator))
    assert run.configuration["tags"] == ["ours"] and [one["name"] for one in run.changes] == ["rounds"]
    assert said(sized, {"tags": []}) == [("tags", (), SAID_OF_MORE)]


def test_the_form_shows_them_locked_and_sends_none_of_them(sized, operator, as_user):
    page = as_user(operator).get(url("run", sized)).content.decode()
    assert "Locked: the platform team sizes it." in page
    for name in ("tags", "model.version", "steps.work.retry.max_retries", "steps.work.enable_cache"):
        assert f'name="{name}"' not in page
    assert 'name="enable_cache"' not in page and "Use cached steps" in page
    sent = {"shown": "form", "do": "run", "document": "{}", "tags": "mine"}
    answer = as_user(operator).post(url("run", sized), sent)
    assert answer.status_code == 422 and SAID_OF_MORE in answer.content.decode()
    assert not TemplateRun.objects.exists()


def test_the_page_of_rules_and_the_api_lock_them(template, developer, as_user, client):
    client = as_user(developer)
    page = client.get(url("rules", template))
    [row] = [row for row in page.context["form"].rows if row.place.parameter.path == MORE]
    assert [kind for kind, _, _ in row.kinds] == [RuleKind.EDITABLE, RuleKind.LOCKED]
    assert "retries, resources" in page.content.decode()
    sent = {f"kind-{row.id}": "locked", f"reason-{row.id}": "Sized."}
    assert client.post(url("rules", template), sent).status_code == 302
    template.refresh_from_db()
    assert FieldRule(MORE, RuleKind.LOCKED, reason="Sized.").as_json() in template.field_rules
    with pytest.raises(RulesRefused):
        set_rules(template=template, rules=[FieldRule(MORE, RuleKind.HIDDEN)], by=Actor(developer))


def test_a_rule_beside_a_secret_leaves_the_secret_as_it_was_recorded(tenant):
    model = {"type": "object", "properties": {"rate": {"type": "number"}, "token": TOKEN}}
    snapshot = snapshot_of({"store": model}, {"store": {"rate": 0.1, "token": "t"}})
    rules = [FieldRule(f"{P}.store", RuleKind.RANGE, ("rate",), minimum=0, maximum=1).as_json()]
    default = default_configuration(snapshot)
    document = Document.of(
        make_template(tenant, snapshot=snapshot, default_configuration=default, field_rules=rules)
    )
    assert document.faults == []


# -- refusals


REFUSED = [
    (values(stage="staging"), ("stage", (), "This value is locked: releases go through review.")),
    (values(bucket="s3://other"), ("bucket", (), "There is no parameter “bucket” in step “work”.")),
    (values(bucket="s3://private-bucket"), ("bucket", (), "There is no parameter “bucket” in step “work”.")),
    (values(rounds=90), ("rounds", (), "Choose one of 60, 120.")),
    (values(rounds="60"), ("rounds", (), "Choose one of 60, 120.")),
    (values(limit=0), ("limit", (), "Enter a number from 1 to 9.")),
    (values(limit=True), ("limit", (), "Enter a number from 1 to 9.")),
    (values(booster={**BOOSTED, "rate": 0.6}), ("booster", ("rate",), "Enter a number from 0 to 0.5.")),
    (values(booster=BOOSTED), ("booster", (), "“depth” is not known here.")),
    (
        values(booster={"rate": 0.1, "stop": {"rounds": 26}}),
        ("booster", ("stop", "rounds"), "This value is locked."),
    ),
    (values(booster={"rate": 0.1}), ("booster", ("stop", "rounds"), "This value is locked.")),
    (values(booster=None), ("booster", ("stop", "rounds"), "This value is locked.")),
    (values(booster=[1]), ("booster", ("stop", "rounds"), "This value is locked.")),
]


@pytest.mark.parametrize("given, wanted", REFUSED)
def test_what_a_rule_forbids_is_refused_at_its_field(template, given, wanted):
    assert wanted in said(template, given)


@pytest.mark.parametrize("given, wanted", REFUSED)
def test_no_run_is_made_of_it(template, developer, given, wanted):
    with pytest.raises(actions.InvalidConfiguration):
        actions.queue_run(template=template, configuration=given, by=Actor(developer))
    assert not TemplateRun.objects.exists()


def test_a_recorded_value_that_is_no_default_any_more_is_no_exception(template):
    parameters(template.default_configuration)["stage"] = "canary"
    assert said(template, values(stage="production")) == [
        ("stage", (), "This value is locked: releases go through review.")
    ]


def test_rules_that_came_while_the_form_was_read_count(template, developer):
    template.field_rules = []
    document = Document.of(template).with_values(values(stage="staging"))
    with pytest.raises(actions.InvalidConfiguration):
        actions.queue_run(template=template, configuration=document, by=Actor(developer))


def test_the_api_refuses_at_the_place_and_shows_nothing_hidden(template, operator, client):
    api = Api(client, operator, template)
    answer = api.run(values(stage="staging", bucket="x"))
    assert answer.status_code == 422
    assert sorted(fault["loc"][-1] for fault in answer.json()["detail"]) == ["bucket", "stage"]
    made = api.run(values(rounds=60))
    assert made.status_code == 201
    found = [made.content, *(api.get(path).content for path in ("", "/runs/1", "/runs"))]
    assert not [word for word in SECRETS for text in found if word in text.decode()]
    assert parameters(TemplateRun.objects.get().configuration)["bucket"] == "s3://private-bucket"


class Api:
    """What the API answers somebody about a template."""

    def __init__(self, client, person, template):
        tenant = template.tenant
        place = f"{tenant.organization.slug}/tenants/{tenant.slug}/templates/{template.pk}"
        self.client, self.base = client, f"/api/v1/organizations/{place}"
        self.headers = {"Authorization": f"Bearer {make_key(person).secret}"}

    def get(self, path=""):
        return self.client.get(self.base + path, headers=self.headers)

    def run(self, configuration):
        body = {"configuration": configuration}
        kind = "application/json"
        return self.client.post(f"{self.base}/runs", body, content_type=kind, headers=self.headers)


@pytest.mark.parametrize(
    "posted",
    [
        {"shown": "yaml", "yaml": "steps: {work: {parameters: {stage: staging}}}"},
        {"shown": "form", f"{P}.stage": "staging", "document": json.dumps(values(stage="staging"))},
        {"shown": "diff", "document": json.dumps(values(bucket="s3://other"))},
        {"shown": "form", f"{P}.rounds": "90", "document": "{}"},
    ],
)
def test_the_form_runs_nothing_that_is_forbidden(template, developer, as_user, posted):
    answer = as_user(developer).post(url("run", template), {"do": "run", **posted})
    assert answer.status_code == 422
    assert b"Nothing was started" in answer.content
    assert not TemplateRun.objects.exists()


def test_a_default_can_break_no_rule_and_neither_can_its_undo(template, developer):
    by, document = Actor(developer), Document.of(template)
    with pytest.raises(actions.TemplateRefused, match="locked"):
        actions.make_default(template=template, document=document.with_values(values(stage="x")), by=by)
    actions.make_default(template=template, document=document.with_values(values(rounds=60)), by=by)
    template.refresh_from_db()
    assert parameters(template.default_configuration)["bucket"] == "s3://private-bucket"
    assert parameters(template.previous_configuration)["booster"] == BOOSTED
    set_rules(template=template, rules=[FieldRule(f"{P}.rounds", RuleKind.LOCKED)], by=by)
    with pytest.raises(actions.TemplateRefused, match="can't come back"):
        actions.undo_default(template=template, by=by)


def test_undo_keeps_what_is_hidden(template, developer):
    by = Actor(developer)
    actions.make_default(
        template=template, document=Document.of(template).with_values(values(rounds=60)), by=by
    )
    template.refresh_from_db()
    parameters(template.previous_configuration)["bucket"] = "s3://older"
    template.save()
    actions.undo_default(template=template, by=by)
    template.refresh_from_db()
    assert parameters(template.default_configuration)["bucket"] == "s3://private-bucket"
    assert parameters(template.default_configuration)["rounds"] == 120


# -- what is hidden


def test_what_is_hidden_is_no_part_of_the_document_and_is_sent_all_the_same(template, developer):
    document = Document.of(template)
    seen = json.dumps([document.default, document.values, document.by_path])
    assert not [word for word in SECRETS if word in seen]
    changed = document.with_values(values(booster={"rate": 0.2, "stop": {"rounds": 25}}))
    assert changed.faults == []
    run = actions.queue_run(template=template, configuration=changed, by=Actor(developer))
    assert parameters(run.configuration)["booster"] == {**BOOSTED, "rate": 0.2}
    assert parameters(run.configuration)["bucket"] == "s3://private-bucket"
    assert [change["path"] for change in run.changes] == [f"{P}.booster"]


def test_the_audit_log_has_nothing_hidden(template, developer):
    """Whoever reads it may not be one of those who may see the template."""
    by, other = Actor(developer), values(rounds=60, booster={"rate": 0.2, "stop": {"rounds": 25}})
    document = Document.of(template).with_values(other)
    actions.queue_run(template=template, configuration=document, by=by)
    actions.make_default(template=template, document=document, by=by)
    template.refresh_from_db()
    parameters(template.previous_configuration)["bucket"] = "s3://private-bucket-of-before"
    template.save()
    actions.undo_default(template=template, by=by)
    rows = AuditEvent.objects.filter(action__in=("template_run.queued", "template.default_changed"))
    assert rows.count() == 3
    for row in rows:
        assert {change["path"] for change in row.after["changes"]} == {f"{P}.rounds", f"{P}.booster"}
        told = json.dumps([row.before, row.after])
        assert not [word for word in SECRETS if word in told], row.action


def test_an_earlier_run_shows_nothing_hidden_and_gives_only_what_may_be_given(template, operator, as_user):
    earlier = values(bucket="s3://old-secret", rounds=60, booster={**BOOSTED, "depth": 9})
    change = {
        "path": f"{P}.bucket",
        "step": "work",
        "name": "bucket",
        "before": "a",
        "after": "s3://old-secret",
    }
    make_template_run(template, operator, configuration=earlier, changes=[change], state="completed")
    client = as_user(operator)
    pages = [
        client.get(url("run", template), {"from": "1"}),
        client.get(url("run", template), {"from": "1", "tab": "yaml"}),
        client.get(url("run", template), {"from": "1", "tab": "diff"}),
        client.get(template.get_absolute_url()),
        client.get(url("run_detail", template, 1)),
    ]
    words = ("old-secret", *SECRETS)
    assert not [
        (at, word) for at, page in enumerate(pages) for word in words if word in page.content.decode()
    ]
    draft = examined(fresh(Document.of(template), earlier))
    assert (draft.problems, parameters(draft.document)["rounds"]) == ([], 60)


def test_another_run_and_a_link_tell_nothing_hidden(template):
    recorded = snapshot_of(PROPERTIES, {"booster": {**BOOSTED, "depth": 9}, "bucket": "s3://other"})
    draft = like(Document.of(template), recorded)
    assert (draft.unknown, examined(draft).problems) == ([], [])
    assert "depth" not in json.dumps(draft.document)
    changed = Document.of(template).with_values(values(booster={"rate": 0.2, "stop": {"rounds": 25}}))
    assert "depth" not in link_of(changed)
    linked = from_query(fresh(Document.of(template)), {f"{P}.bucket": '"x"', f"{P}.stage": '"x"'})
    assert linked.unknown == [f"{P}.bucket"]
    assert [fault.path for fault in examined(linked).problems] == [f"{P}.stage"]


def test_who_may_edit_the_template_sees_what_is_hidden_where_it_is_set(
    template, operator, developer, as_user
):
    assert as_user(operator).get(url("rules", template)).status_code == 403
    assert "private-bucket" in as_user(developer).get(url("rules", template)).content.decode()
    assert "private-bucket" in as_user(developer).get(template.get_absolute_url()).content.decode()


# -- the form


def test_the_form_shows_locks_with_their_reason_and_choices_as_a_list(template, operator, as_user):
    answer = as_user(operator).get(url("run", template))
    page = answer.content.decode()
    assert "Locked: releases go through review." in page
    assert f'name="{P}.stage"' not in page and f'name="{P}.booster/stop/rounds"' not in page
    views = {view.field.path: view for view in answer.context["editor"].views}
    assert views[f"{P}.rounds"].widget == "select"
    assert (views[f"{P}.booster/rate"].hints.maximum, views[f"{P}.limit"].hints.maximum) == ("0.5", "9")


def test_what_a_rule_leaves_stands_beside_the_field_and_in_the_list_of_a_sweep(template, operator, as_user):
    client = as_user(operator)
    hints = {"rounds": "one of 60, 120", "limit": "1 to 9 or none", "booster.rate": "0 to 0.5"}
    views = {
        view.field.path: view.field.range for view in client.get(url("run", template)).context["editor"].views
    }
    assert views[f"{P}.rounds"] == hints["rounds"] and views[f"{P}.limit"] == hints["limit"]
    page = " ".join(client.get(url("sweep_new", template)).content.decode().split())
    for name, hint in hints.items():
        assert f"{name} ({hint})" in page


def test_a_locked_value_that_is_not_in_the_form_stays(template):
    sent = {"shown": "form", f"{P}.booster/rate": "0.2", f"{P}.rounds": "0"}
    draft = examined(from_post(Document.of(template), sent, {}))
    assert draft.problems == []
    assert parameters(draft.document)["booster"] == {"rate": 0.2, "stop": {"rounds": 25}}
    assert parameters(draft.document)["rounds"] == 60


def test_a_locked_value_that_differs_says_so_and_can_be_reset(template, operator, as_user):
    page = as_user(operator).get(url("run", template), {f"{P}.stage": '"staging"'}).content.decode()
    assert "This value is locked: releases go through review." in page
    assert f'value="{P}.stage"' in page  # of the button that resets it


# -- the rules themselves


def test_rules_are_for_whoever_may_edit_the_template(template, operator, as_user):
    assert as_user(operator).post(url("rules", template), {}).status_code == 403
    template.refresh_from_db()
    assert len(template.field_rules) == len(ALL)


@pytest.mark.parametrize(
    "path, place",
    [
        ("parameters.days", ("parameters", "days")),
        ("steps.a.b.parameters.c.d", ("steps", "a.b", "parameters", "c.d")),
        ("steps.parameters.parameters.parameters", ("steps", "parameters", "parameters", "parameters")),
    ],
)
def test_odd_names_have_their_place(path, place):
    assert place_of(FieldRule(path, RuleKind.HIDDEN, ("x",))) == (*place, "x")


def test_places_are_parameters_and_what_is_inside_of_models(template):
    found = [(place.parameter.name, place.within) for place in rule_places(template)]
    assert found[0] == ("More", ())
    assert found[5:] == [
        ("booster", ()),
        ("booster", ("rate",)),
        ("booster", ("depth",)),
        ("booster", ("stop",)),
        ("booster", ("stop", "rounds")),
    ]


@pytest.mark.parametrize(
    "rule, wanted",
    [
        (FieldRule(f"{P}.nothing", RuleKind.LOCKED), "This value can't have such a rule."),
        (FieldRule(f"{P}.stage", RuleKind.RANGE, minimum=1), "This value can't have such a rule."),
        (FieldRule(f"{P}.booster", RuleKind.CHOICES, values=(1,)), "This value can't have such a rule."),
        (FieldRule(f"{P}.rounds", RuleKind.CHOICES), "Enter 1 to 500 values, one per line."),
        (FieldRule(f"{P}.rounds", RuleKind.RANGE), "Enter a minimum, a maximum or both."),
        (
            FieldRule(f"{P}.rounds", RuleKind.RANGE, minimum=200, maximum=3),
            "The maximum is smaller than the minimum.",
        ),
        (
            FieldRule(f"{P}.rounds", RuleKind.CHOICES, values=(0, 120)),
            "0: Enter a whole number that is at least 1.",
        ),
        (
            FieldRule(f"{P}.rounds", RuleKind.RANGE, maximum=100),
            "The template's own value is not among these. Change the default first.",
        ),
    ],
)
def test_rules_that_make_no_sense_are_refused(template, developer, rule, wanted):
    with pytest.raises(RulesRefused) as refused:
        set_rules(template=template, rules=[rule], by=Actor(developer))
    assert refused.value.problems == {(rule.path, rule.within): wanted}
    template.refresh_from_db()
    assert len(template.field_rules) == len(ALL)


def test_sentences_have_values_as_the_form_shows_them(tenant, developer):
    odd = [True, 1e-05, "a b"]
    snapshot = snapshot_of({"x": {"enum": [*odd, 2]}}, {"x": "a b"})
    default = default_configuration(snapshot)
    template = make_template(tenant, "odd", snapshot=snapshot, default_configuration=default)
    rule = FieldRule(f"{P}.x", RuleKind.CHOICES, values=(None, *odd))
    assert rule.sentence == "Choose one of null, true, 1e-05, a b."
    template.field_rules = [replace(rule, values=tuple(odd)).as_json()]
    shown = [choice.label for choice in Document.of(template).schema.by_path[f"{P}.x"].choices]
    assert shown == ["true", "1e-05", "a b"]
    with pytest.raises(RulesRefused) as refused:
        bad = FieldRule(f"{P}.x", RuleKind.CHOICES, values=("a b", False))
        set_rules(template=template, rules=[bad], by=Actor(developer))
    assert refused.value.problems[f"{P}.x", ()].startswith("false: ")


def test_rules_are_set_on_their_page_and_leave_a_row(template, developer, as_user):
    page, client = url("rules", template), as_user(developer)
    rows = {row.name: row.id for row in client.get(page).context["form"].rows}
    bad = client.post(page, {f"kind-{rows['rounds']}": "choices", f"values-{rows['rounds']}": "many\n120"})
    assert (bad.status_code, b"many\n120" in bad.content) == (422, True)
    data = {
        f"kind-{rows['rounds']}": "range",
        f"minimum-{rows['rounds']}": "7",
        f"maximum-{rows['rounds']}": "",
    }
    assert client.post(page, {**data, f"kind-{rows['stage']}": "editable"}).status_code == 302
    template.refresh_from_db()
    kept = {(rule["path"], tuple(rule["within"])): rule for rule in template.field_rules}
    assert kept[f"{P}.rounds", ()] == {"path": f"{P}.rounds", "kind": "range", "within": [], "minimum": 7}
    assert (f"{P}.stage", ()) not in kept and len(kept) == len(ALL) - 1
    row = AuditEvent.objects.get(action="template.rules_changed")
    assert (row.actor, len(row.before["rules"]), len(row.after["rules"])) == (developer, 7, 6)


def test_choices_begin_with_those_of_the_schema(tenant, developer, as_user):
    snapshot = snapshot_of(
        {"kind": {"enum": ["a b", False, 3], "default": "a b"}, "free": {"type": "string"}}
    )
    template = make_template(tenant, snapshot=snapshot, default_configuration=default_configuration(snapshot))
    page, client = url("rules", template), as_user(developer)
    rows = {row.name: row for row in client.get(page).context["form"].rows}
    assert (rows["kind"].values, rows["free"].values) == ("a b\nfalse\n3", "")
    sent = {f"kind-{rows['kind'].id}": "choices", f"values-{rows['kind'].id}": rows["kind"].values}
    assert client.post(page, sent).status_code == 302
    template.refresh_from_db()
    assert [rule["values"] for rule in template.field_rules] == [["a b", False, 3]]


def test_hostile_posts_change_nothing(template, developer, as_user):
    page, client = url("rules", template), as_user(developer)
    rows = {row.name: row.id for row in client.get(page).context["form"].rows}
    for kind, more in [
        ("nonsense", {}),
        ("choices", {f"values-{rows['rounds']}": "1\n" * 20_000}),
        ("range", {f"minimum-{rows['rounds']}": "1" * 400}),
        ("locked", {f"reason-{rows['rounds']}": "x" * 201}),
    ]:
        assert client.post(page, {f"kind-{rows['rounds']}": kind, **more}).status_code == 422
    assert not AuditEvent.objects.filter(action="template.rules_changed").exists()
