"""What a run that continues another one takes over: decided by us, since ZenML looks at neither values nor code."""

import json

import pytest
from django.urls import reverse
from django.utils import timezone
from factories import make_code, make_grant, make_template, make_template_run

from orgs.audit.models import AuditEvent
from orgs.audit.sentences import plain
from orgs.users.models import Actor
from tenants.hosting.base import TenantUnreachable
from tenants.run_templates import continuing
from tenants.run_templates.actions import InvalidConfiguration, queue_run
from tenants.run_templates.continuing import Past, continuation, foreseen, look_back
from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.document.parsed import Document
from tenants.run_templates.engine.derive import derive
from tenants.run_templates.engine.layout import StepLook
from tenants.run_templates.models import Preset, TemplateRun
from tenants.runs.step_pages import all_steps
from tests.tenants.runs.fakes import RUN_ID, churn
from zenpro_site.common.refusals import Refused
from zenpro_site.common.shared_files import ALIAS

from .samples import dynamic_snapshot

SNAPSHOT = churn("snapshot")
DEFAULT = default_configuration(SNAPSHOT)
BEFORE = ("load_customers", "build_features", "profile")
ROUNDS, MIN_AUC = "steps.train.parameters.rounds", "steps.evaluate.parameters.min_auc"


@pytest.fixture
def template(tenant, server):
    stack = server.run(RUN_ID).stack_id
    fields = {"snapshot": SNAPSHOT, "default_configuration": DEFAULT, "stack_id": stack}
    return make_template(tenant, "nightly-churn", pipeline_name="churn", **fields)


@pytest.fixture
def operator(org, tenant, member):
    make_grant(tenant, member, "operator")
    return member


@pytest.fixture
def failed(template, operator, server):
    """A run whose step train failed."""
    server.fail()
    answer = server.step_answers[str(RUN_ID)]
    answer["items"] = [step for step in answer["items"] if step["name"] != "evaluate"]  # never begun
    fields = {"state": "failed", "zenml_run_id": RUN_ID, "configuration": DEFAULT}
    return make_template_run(template, operator, **fields)


def at(path: str, value, values=DEFAULT) -> dict:
    """The values with another one at a path."""
    key, _, rest = path.partition(".")
    return {**values, key: at(rest, value, values[key]) if rest else value}


def planned(run, server, values=DEFAULT):
    past = look_back(run, run.template, server)
    return continuation(past, Document.of(run.template).with_values(values))


def why(plan) -> dict[str, str]:
    return {one.step: one.why for one in plan.again}


# -- what can't be continued


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ({"state": "running"}, "is still in progress"),
        ({"state": "completed"}, "there is nothing to continue"),
        ({"zenml_run_id": None}, "ended before its first step"),
    ],
)
def test_only_a_run_that_ended_early_is_continued(failed, server, state, sentence):
    vars(failed).update(state)
    with pytest.raises(Refused, match=sentence):
        look_back(failed, failed.template, server)
    assert server.calls == ["run"]  # the fixture's own


def test_older_servers_cannot(failed, server):
    failed.template.tenant.zenml_version = "0.93.3"
    with pytest.raises(Refused, match="needs ZenML 0.94 or later; production has 0.93.3"):
        look_back(failed, failed.template, server)


def test_a_run_of_which_not_all_steps_can_be_read_is_not_continued(failed, server, monkeypatch):
    monkeypatch.setattr(continuing, "steps_in_time", lambda *args: (all_steps(*args), False))
    with pytest.raises(Refused, match="not all steps could be read"):
        look_back(failed, failed.template, server)


def test_a_run_that_is_gone_is_not_continued(failed, server):
    server.run_answers.clear()
    with pytest.raises(Refused, match="was deleted inside the tenant"):
        look_back(failed, failed.template, server)


def test_a_run_of_which_no_step_completed(failed, server):
    for step in server.step_answers[str(RUN_ID)]["items"]:
        step["body"]["status"] = "failed"
    with pytest.raises(Refused, match="No step of nightly-churn re-run 1 completed"):
        planned(failed, server)


# -- what is taken over


def test_steps_that_ended_well_are_taken_over(failed, server):
    server.calls.clear()
    plan = planned(failed, server)
    assert (plan.step, set(plan.taken), plan.again) == ("train", set(BEFORE), ())
    assert (plan.rest, plan.warnings) == (("train", "evaluate"), ())
    assert server.calls == ["run", "steps", f"GET /stacks/{failed.template.stack_id}"]


def test_another_value_of_a_step_makes_it_run_and_all_that_follow(failed, server):
    values = at("steps.build_features.parameters.seed", 8)
    plan = planned(failed, server, values)
    assert set(plan.taken) == {"load_customers", "profile"}
    assert why(plan) == {"build_features": "its seed changed"}
    values = at("steps.load_customers.parameters.include_free_plan", False)
    with pytest.raises(
        Refused, match=r"Nothing of .* can be taken over \(load_customers: its include_free_plan"
    ):
        planned(failed, server, values)


def test_values_of_steps_that_run_anyway_change_nothing(failed, server):
    plan = planned(failed, server, at(ROUNDS, 7, at(MIN_AUC, 0.1)))
    assert (set(plan.taken), plan.again) == (set(BEFORE), ())


def test_a_step_that_follows_one_that_runs_says_so(failed, server):
    for step in server.step_answers[str(RUN_ID)]["items"]:
        if step["name"] == "load_customers":
            step["body"]["status"] = "failed"
    with pytest.raises(Refused, match="build_features: it follows load_customers, which runs"):
        planned(failed, server)


def test_extras_count_and_those_of_the_run_are_warned_about(failed, server):
    plan = planned(failed, server, at("steps.profile.extra", {"a": 1}, at("extra", {"b": 1})))
    assert why(plan) == {"profile": "its extra changed"}
    assert plan.warnings == (
        "The run's extra changed: steps that are taken over ran with what it was before.",
    )


def test_what_is_in_another_store_or_gone_is_not_taken_over(failed, server, tmp_path, monkeypatch, settings):
    monkeypatch.setattr(continuing, "local_stores_of", lambda tenant: tmp_path)
    (tmp_path / "here").touch()
    (tmp_path / "out").symlink_to("/etc")
    saved = {"load_customers": "here", "build_features": "gone", "profile": "out/passwd"}
    for step in server.step_answers[str(RUN_ID)]["items"]:
        for versions in step["resources"]["outputs"].values():
            versions[0]["body"]["uri"] = str(tmp_path / saved.get(step["name"], "here"))
    plan = planned(failed, server)
    assert plan.taken == ("load_customers",)
    assert set(why(plan).values()) == {"the files of what it saved were deleted"}, why(plan)
    place = {"BACKEND": "tests.shared_folder.SharedFolder", "OPTIONS": {"location": str(tmp_path / "shared")}}
    settings.STORAGES = {**settings.STORAGES, ALIAS: place}
    assert planned(failed, server).taken == ("load_customers",), "The stores are still here."
    (tmp_path / "here").unlink(), (tmp_path / "out").unlink(), tmp_path.rename(f"{tmp_path}-away")
    assert len(planned(failed, server).taken) == 3, "They are on another machine, and nobody knows."
    store = {"id": str(RUN_ID)}
    answer = {"metadata": {"components": {"artifact_store": [store]}}}
    monkeypatch.setattr(server, "call", lambda method, path, **params: answer)
    with pytest.raises(Refused, match="what it saved is in another artifact store"):
        planned(failed, server)


def test_code_that_changed_for_a_step_makes_it_run(failed, server, monkeypatch):
    failed.template.code = make_code(failed.template.tenant, "churn", code_hash="1" * 64)
    looked = {"0" * 64: "a", "1" * 64: "b"}

    def look_at(code_hash, snapshot, roots, place):
        looks = [StepLook(name, "m", "m.py", 1, "same", "x") for name in BEFORE[:2]]
        return type(
            "Look", (), {"steps": [*looks, StepLook("profile", "m", "m.py", 1, "edited", looked[code_hash])]}
        )

    monkeypatch.setattr(continuing, "look_at", look_at)
    plan = planned(failed, server)
    assert why(plan) == {"profile": "its code changed"}
    assert plan.warnings == ("The steps that are taken over ran with code v1, and this run uses v2.",)


def test_other_packages_and_another_stack_are_warned_about(failed, server):
    failed.template.requirements_changed_at = timezone.now()
    failed.template.stack_id = RUN_ID
    warnings = planned(failed, server).warnings
    assert [words in one for words, one in zip(("another stack", "packages changed"), warnings, strict=True)]


def test_steps_of_a_pipeline_that_decides_as_it_runs(org, tenant, operator):
    """Which step takes a value of the pipeline is not recorded: those with a parameter of its name run."""
    template = make_template(tenant, snapshot=dynamic_snapshot())
    document = Document.of(template)
    run = make_template_run(template, operator, configuration=document.default)
    after = {"load_2": frozenset({"load"}), "sum": frozenset({"load_2"})}
    past = Past(run, ("load", "load_2", "other"), "sum", after, {"load": frozenset({"days"})})
    plan = continuation(past, document)
    assert (plan.taken, plan.warnings) == (past.well, ())
    plan = continuation(past, document.with_values({**document.default, "parameters": {"days": 9}}))
    assert plan.taken == ("other",)
    assert why(plan) == {"load": "its days changed", "load_2": "it follows load, which runs"}
    assert "so steps that are taken over were computed with the old days." in plan.warnings[0]


def test_nothing_at_all_can_be_foreseen(failed):
    assert foreseen(Past(failed, ()), Document.of(failed.template)).taken == ()


# -- the run that continues


def test_the_run_says_what_it_takes_over_and_tells_the_tenant(failed, server, operator):
    plan = planned(failed, server)
    run = queue_run(template=failed.template, configuration={}, by=Actor(operator), continues=plan)
    assert (run.continues, run.continues_from, set(run.taken_over)) == (failed, "train", set(BEFORE))
    event = AuditEvent.objects.get(action="template_run.continued")
    assert (event.after["continues"], event.after["from"]) == ("nightly-churn re-run 1", "train")
    assert plain(event) == f"{operator} continued nightly-churn re-run 1 from train as nightly-churn re-run 2"
    derive(TemplateRun.objects.get(pk=run.pk), server)
    snapshot, placeholder = server.created
    assert set(snapshot["pipeline_configuration"]["steps_to_skip"]) == set(BEFORE)
    assert placeholder["original_run_id"] == str(RUN_ID)


def test_what_is_skipped_is_not_said_in_two_ways(failed, server, operator):
    plan = planned(failed, server)
    with pytest.raises(InvalidConfiguration, match="can’t be set while another run is continued"):
        queue_run(
            template=failed.template,
            configuration={"steps_to_skip": ["train"]},
            by=Actor(operator),
            continues=plan,
        )
    failed.template.code = make_code(failed.template.tenant, "churn")
    failed.template.save()
    with pytest.raises(Refused, match="code was changed a moment ago"):
        queue_run(template=failed.template, configuration={}, by=Actor(operator), continues=plan)
    assert TemplateRun.objects.get() == failed


# -- the form


@pytest.fixture
def form(failed, operator, as_user):
    template = failed.template
    args = [template.tenant.organization.slug, template.tenant.slug, template.pk]
    client, url = as_user(operator), reverse("run_templates:run", args=args)

    def sent(answer) -> dict:
        editor, going_on = answer.context["editor"], answer.context["going_on"]
        data = {"shown": "diff", "document": editor.document_json, "run_name": editor.run_name}
        return {**data, "continue": "1", "past": going_on.memory, "taken": going_on.taken}

    return client, url, sent


def test_a_preset_that_is_chosen_goes_on_from_the_same_run(form, failed, operator):
    client, url, _ = form
    preset = Preset.objects.create(
        template=failed.template, name="Quick", created_by=operator, values={"enable_cache": False}
    )
    link = f"{url}?preset={preset.pk}&amp;continue=1"
    assert f'href="{link}"' in client.get(url, {"continue": "1"}).content.decode()
    page = client.get(link.replace("&amp;", "&"))
    assert (page.context["preset"], page.context["going_on"].run) == (preset, failed)
    assert "&amp;continue" not in client.get(url).content.decode()


def test_the_form_says_before_what_is_taken_over(form, server):
    client, url, _ = form
    server.calls.clear()
    page = client.get(url, {"continue": "1"})
    text = page.content.decode()
    assert "Continue nightly-churn re-run 1 with changes" in text
    assert "3 steps taken over" in text
    assert "also names" not in text
    assert len(server.calls) == 3
    assert not TemplateRun.objects.filter(number=2).exists()
    assert client.get(url, {"continue": "7"}).status_code == 404
    to_step = client.get(url, {"continue": "1", "step": "train"})
    assert (to_step.status_code, to_step.url) == (302, f"{url}?continue=1#s4")
    assert client.get(url, {"continue": "1", "step": "no\nsuch"}).url == f"{url}?continue=1"


def test_the_form_runs_what_it_showed_and_nothing_else(form, server):
    client, url, sent = form
    data = sent(client.get(url, {"continue": "1"}))
    values = at("steps.profile.parameters.group_by", "plan")
    changed = data | {"document": json.dumps(values)}
    refused = client.post(url, changed | {"do": "run"})
    assert refused.status_code == 422
    assert "not what this page showed" in refused.content.decode()
    assert "its group_by changed" in refused.content.decode()
    assert TemplateRun.objects.count() == 1
    assert client.post(url, sent(refused) | {"do": "run"}).status_code == 302
    assert set(TemplateRun.objects.get(number=2).taken_over) == {"load_customers", "build_features"}


def test_typing_asks_nothing_of_the_tenant(form, server):
    client, url, sent = form
    data = sent(client.get(url, {"continue": "1"}))
    server.calls.clear()
    headers = {"HX-Request": "true", "HX-Target": "bar"}
    data["document"] = json.dumps(at("steps.profile.parameters.group_by", "plan"))
    text = client.post(url, data, headers=headers).content.decode()
    assert server.calls == []
    assert "its group_by changed" in text
    assert 'hx-swap-oob="true"' in text
    for past in ("", "[]", "{", '{"well": 3, "after": [], "unusable": {"a": []}}', "[" * 100_000):
        assert client.post(url, data | {"past": past}, headers=headers).status_code == 200


def test_a_run_that_cannot_be_continued_is_a_sentence(form, server):
    client, url, sent = form
    data = sent(client.get(url, {"continue": "1"}))
    server.error = TenantUnreachable("The server cannot be reached.")
    page = client.get(url, {"continue": "1"})
    assert "This run can't be continued" in page.content.decode()
    assert client.post(url, data | {"do": "run"}).status_code == 422
    assert TemplateRun.objects.count() == 1
