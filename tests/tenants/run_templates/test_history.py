"""The history of a template: who may see it, its filters, and charts of what hostile servers say was logged."""

import copy
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from factories import (
    make_code,
    make_grant,
    make_member,
    make_org,
    make_template,
    make_template_run,
    make_tenant,
)

from tenants.hosting.base import TenantUnreachable
from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.document.field_rules import FieldRule, RuleKind
from tenants.run_templates.document.sealed_secrets import sealer
from tenants.run_templates.models import Preset, Sweep, TemplateRun
from tenants.run_templates.pages import history_page
from tenants.run_templates.pages.history_page import MetricHistory, charts_of, number_words
from tenants.runs.columns import METRIC, RunColumn
from tests.tenants.runs.fakes import PROJECT, RUN_ID, churn

SNAPSHOT = churn("snapshot")
ROUNDS = "steps.train.parameters.rounds"
CHANGED = [{"path": ROUNDS, "step": "train", "name": "rounds", "before": 200, "after": 600}]
ACCURACY = RunColumn(METRIC, "train", "accuracy")


@pytest.fixture
def template(tenant):
    facts = {"snapshot": SNAPSHOT, "default_configuration": default_configuration(SNAPSHOT)}
    return make_template(tenant, "nightly", pipeline_name="churn", project_id=PROJECT["id"], **facts)


@pytest.fixture
def olga(org, tenant):
    person = make_member(org, "member", name="Olga Operator")
    make_grant(tenant, person, "operator")
    return person


def url(template, name="history") -> str:
    tenant = template.tenant
    return reverse(f"run_templates:{name}", args=[tenant.organization.slug, tenant.slug, template.pk])


def ran(template, person, state="completed", **fields) -> TemplateRun:
    return make_template_run(template, person=person, state=state, **fields)


def logged(template, person, server, *values, state="completed") -> list[TemplateRun]:
    """Runs of which the step `train` logged these accuracies; None logged nothing."""
    found = []
    for value in values:
        run = ran(template, person, state=state, zenml_run_id=server.add_run())
        steps = copy.deepcopy(churn("steps"))
        for step in steps["items"]:
            step["metadata"]["run_metadata"] = {}
            if step["name"] == "train" and value is not None:
                step["metadata"]["run_metadata"] = value if isinstance(value, dict) else {"accuracy": value}
        server.step_answers[str(run.zenml_run_id)] = steps
        found.append(run)
    server.run_answers.pop(str(RUN_ID), None)
    server.calls.clear()
    return found


def numbers(response) -> list[int]:
    return [row.run.number for row in response.context["rows"]]


def fragment(client, template, **query):
    return client.get(url(template), query, headers={"HX-Request": "true", "HX-Target": "metrics"})


# -- refusals


def test_outsiders_and_other_tenants_find_nothing(template, outsider, olga, org, as_user):
    assert as_user(outsider).get(url(template)).status_code == 404
    elsewhere = make_template(make_tenant(make_org(), "theirs"))
    here = [org.slug, template.tenant.slug, elsewhere.pk]
    assert as_user(olga).get(reverse("run_templates:history", args=here)).status_code == 404


def test_a_filter_that_makes_no_sense_is_left_out_and_named(template, olga, as_user):
    ran(template, olga)
    page = as_user(olga).get(
        url(template), {"state": "odd", "sweep": "<script>", "person": "x" * 500, "page": "-9"}
    )
    assert numbers(page) == [1]
    assert page.context["filter"].ignored == ["state", "person", "sweep"]
    assert "<script>alert" not in page.content.decode()


# -- the list


def test_each_run_names_its_code_also_when_that_is_old(template, olga, tenant, as_user):
    ran(template, olga)
    for _ in range(11):
        newest = make_code(tenant, template.pipeline_name)
    ran(template, olga, code=newest)
    client, first = as_user(olga), template.code.number
    page = client.get(url(template)).content.decode()
    address = template.get_absolute_url()
    assert f"{address}?code={newest.number}#code-{newest.number}" in page
    assert f"{address}?code={first}#code-{first}" in page
    assert f'id="code-{first}"' in client.get(f"{address}?code={first}").content.decode()
    assert f'id="code-{first}"' not in client.get(f"{address}?code=x").content.decode()


def test_filters_are_in_the_address(template, olga, owner, tenant, as_user):
    sweep = Sweep.objects.create(template=template, fields=[], created_by=olga)
    ran(template, olga)
    ran(template, olga, state="failed", sweep=sweep)
    ran(template, owner, state="running")
    client = as_user(olga)

    def found(**query):
        return numbers(client.get(url(template), query))

    assert found() == [3, 2, 1]
    assert found(state="failed") == [2]
    assert found(state="unfinished") == [3]
    assert found(person="me") == [2, 1]
    assert found(person=owner.username) == [3]
    assert found(sweep=str(sweep.pk)) == [2]
    assert found(sweep="none", person="me") == [1]
    assert "No run matches these filters" in client.get(url(template), {"state": "stopped"}).content.decode()


@pytest.mark.parametrize(
    "state, hours, said",
    [
        ("completed", 1, "1 h ago"),
        ("running", 1, "1 h ago"),
        ("queued", None, "waiting"),
        ("stopped", None, "not started"),
    ],
)
def test_started_is_when_it_started(state, hours, said, template, olga, as_user):
    now = timezone.now()
    run = ran(template, olga, state=state, started_at=hours and now - timedelta(hours=hours))
    TemplateRun.objects.filter(pk=run.pk).update(queued_at=now - timedelta(hours=9))
    page = as_user(olga).get(url(template)).content.decode()
    [cell] = re.findall(r'<td data-label="Started"[^>]*>(.*?)</td>', page, re.DOTALL)
    assert re.sub("<[^>]*>", "", cell).strip() == said


def test_runs_on_remote_stacks_say_where_and_are_found(template, olga, as_user):
    template.stack_name = "cluster"
    template.save()
    ran(template, olga, "running"), ran(template, olga, "submitted"), ran(template, olga)
    client = as_user(olga)
    assert "Runs on cluster" in client.get(url(template)).content.decode()
    assert numbers(client.get(url(template), {"state": "submitted"})) == [2]
    assert numbers(client.get(url(template), {"state": "unfinished"})) == [2, 1]


def test_the_filter_names_sweeps_by_the_clock_of_the_installation(template, olga, as_user, settings):
    settings.TIME_ZONE = "Asia/Kathmandu"
    sweep = Sweep.objects.create(template=template, fields=[], created_by=olga)
    Sweep.objects.update(created_at=datetime(2026, 3, 1, 20, 30, tzinfo=UTC))
    offered = dict(as_user(olga).get(url(template)).context["filter"].fields["sweep"].choices)
    assert offered[str(sweep.pk)] == "Sweep of 02 Mar 2026, 02:15"


def test_runs_are_found_by_the_preset_they_were_made_with(template, olga, org, as_user):
    """A preset of someone else is not offered, and no one learns by its id which runs were made with it."""
    facts, dana = {"template": template, "values": {ROUNDS: 7}}, make_member(org, "member")
    make_grant(template.tenant, dana, "operator")
    shared = Preset.objects.create(name="Weekly", is_shared=True, created_by=dana, **facts)
    mine = Preset.objects.create(name="Quick", created_by=olga, **facts)
    theirs = Preset.objects.create(name="Secret plan", created_by=dana, **facts)
    for preset in (shared, mine, theirs, None):
        ran(template, dana, preset=preset)
    client = as_user(olga)

    def found(preset, **query):
        return client.get(url(template), {"preset": preset, **query})

    assert [numbers(found(one.pk)) for one in (shared, mine)] == [[1], [2]]
    assert numbers(found(shared.pk, person="me")) == []
    page = found(theirs.pk)
    assert page.context["filter"].ignored == ["preset"]
    assert numbers(page) == numbers(client.get(url(template))) == [4, 3, 2, 1]
    assert re.findall(r"<option value[^>]*>(Weekly|Quick|Secret plan)", page.content.decode()) == [
        "Weekly",
        "Quick",
    ]
    assert f"preset={shared.pk}" in found(shared.pk).context["metrics_url"]
    assert numbers(as_user(dana).get(url(template), {"preset": theirs.pk})) == [3]


def test_a_row_says_what_changed_and_leads_on(template, olga, as_user, server):
    (run,) = logged(template, olga, server, 0.5)
    TemplateRun.objects.update(changes=CHANGED)
    page = as_user(olga).get(url(template)).content.decode()
    assert "<b>rounds</b> 200 → 600" in page
    assert f"{url(template, 'run')}?from=1" in page
    assert f'value="{run.zenml_run_id}"' in page and 'name="run"' in page
    template.field_rules = [FieldRule(ROUNDS, RuleKind.HIDDEN).as_json()]
    template.save()
    assert "→ 600" not in as_user(olga).get(url(template)).content.decode()


def test_secrets_are_masked(template, olga, as_user):
    text = f"sealed:{sealer(template)('hunter2', (CHANGED[0]['path'],))}"
    ran(template, olga, changes=[{**CHANGED[0], "name": "token", "before": "**********", "after": text}])
    page = as_user(olga).get(url(template)).content.decode()
    assert "gAAAA" not in page and "a new secret" in page


def test_pages_and_queries_stay_the_same_with_more_runs(template, olga, as_user, count_queries):
    client = as_user(olga)
    ran(template, olga)
    client.get(url(template))
    few = count_queries(lambda: client.get(url(template)))
    for _ in range(24):
        ran(template, olga)
    assert count_queries(lambda: client.get(url(template))) == few
    assert numbers(client.get(url(template), {"page": 2, "state": "completed"})) == [5, 4, 3, 2, 1]


def test_a_viewer_cannot_run_from_here(template, org, tenant, olga, as_user):
    viewer = make_member(org, "member")
    make_grant(tenant, viewer, "viewer")
    ran(template, olga)
    page = as_user(viewer).get(url(template)).content.decode()
    assert "Re-run 1" in page and url(template, "run") not in page


# -- metrics


def test_the_page_asks_no_server_and_its_fragment_three_times_at_most(template, olga, server, as_user):
    logged(template, olga, server, 0.5, 0.9, None)
    client = as_user(olga)
    page = client.get(url(template))
    assert server.calls == [] and "Show charts" in page.content.decode()
    answer = fragment(client, template)
    assert [point.words for point in answer.context["charts"][0].points] == [
        "Re-run 1: 0.5, completed",
        "Re-run 2: 0.9, completed",
    ]
    assert len(server.calls) == 3
    assert "<html" not in answer.content.decode()


def test_without_scripts_a_link_leads_to_the_charts_and_their_table(template, olga, server, as_user):
    logged(template, olga, server, 0.5)
    logged(template, olga, server, 0.25, state="failed")
    client = as_user(olga)
    page = client.get(url(template) + client.get(url(template)).context["metrics_url"])
    text = page.content.decode()
    assert "<title>Re-run 2: 0.25, failed</title>" in text and "Show as table" in text
    assert [row.values for row in page.context["table"]] == [[("accuracy", "0.25")], [("accuracy", "0.5")]]
    marks = [point.mark for point in page.context["charts"][0].points]
    assert "a4 4" in marks[0] and "l8 8" in marks[1]  # a ring and a cross


def test_what_ended_is_asked_for_once_by_those_who_read_everything(template, org, tenant, server, as_user):
    admin, viewer = make_member(org, "member", name="Ada"), make_member(org, "member", name="Vera")
    make_grant(tenant, admin, "admin")
    make_grant(tenant, viewer, "viewer")
    logged(template, admin, server, 0.5)
    for person in (admin, admin, viewer):
        assert fragment(as_user(person), template).context["charts"]
    assert len(server.calls) == 3
    logged(template, admin, server, 0.7)
    assert len(fragment(as_user(admin), template).context["charts"][0].points) == 2


def test_metrics_are_chosen_in_the_address(template, olga, server, as_user):
    logged(template, olga, server, {"accuracy": 1, "loss": 2, "a": 3, "b": 4, "c": 5})
    client = as_user(olga)
    assert len(fragment(client, template).context["charts"]) == 4
    keys = ["metric:train.c", "metric:train.nothing", "parameter:train.rounds", "odd"]
    charts = fragment(client, template, metric=keys).context["charts"]
    assert [chart.column.name for chart in charts] == ["c", "nothing"]
    assert charts[1].points == []


@pytest.mark.parametrize(
    ("error", "words"), [(TenantUnreachable("It is silent."), "does not answer"), (None, "No metrics")]
)
def test_silence_and_nothing_logged_are_said(error, words, template, olga, server, as_user):
    logged(template, olga, server, None)
    server.error = error
    assert words in fragment(as_user(olga), template).content.decode()


def test_no_ended_run_asks_no_server(template, olga, server, as_user):
    ran(template, olga, state="running", zenml_run_id=RUN_ID)
    assert "No run has ended yet" in fragment(as_user(olga), template).content.decode()
    assert server.calls == []


def test_hostile_metrics_are_bounded(template, olga, server, as_user):
    odd = {
        "accuracy": float("nan"),
        "<script>alert(1)</script>": 1,
        "huge": 10**4000,
        "big": 1.7e308,
        "inf": float("-inf"),
    }
    many = {f"m{number}": number for number in range(3000)}
    logged(template, olga, server, {**odd, "y" * 5000: 1}, many)
    client = as_user(olga)
    answer = fragment(
        client, template, metric=["metric:train.huge", "metric:train.big", "metric:train.accuracy"]
    )
    text = answer.content.decode()
    assert (
        "<script>alert" not in text and "nan" not in text.lower().replace("tenant", "") and len(text) < 60_000
    )
    assert [chart.left_out for chart in answer.context["charts"]] == [1, 1, 0]
    assert len(answer.context["metrics"].offered) <= history_page.OFFERED + 3
    assert "too large" in text


@pytest.mark.parametrize("values", [[1e300, -1e300], [5e-324, 0], [7, 7, 7], [-1], [1e-9, 1e9]])
def test_every_point_is_inside_its_drawing(values, template, olga, server):
    runs = logged(template, olga, server, *values)
    by_run = {run.zenml_run_id: {ACCURACY: value} for run, value in zip(runs, values, strict=True)}
    (chart,) = charts_of(MetricHistory((), (ACCURACY,), by_run), runs[::-1])
    assert [point.run.number for point in chart.points] == [run.number for run in runs]
    assert all(76 <= point.x <= 368 and 12 <= point.y <= 132 for point in chart.points)
    assert chart.points[0].x < chart.points[-1].x or len(values) == 1


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (600, "600"),
        (0.1 + 0.2, "0.3"),
        (1234567, "1234567"),
        (10**400, "too large"),
        (1e12, "1e+12"),
        (-0.0, "0"),
    ],
)
def test_numbers_are_short(number, words):
    assert number_words(number) == words
