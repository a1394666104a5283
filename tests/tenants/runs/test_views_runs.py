"""Runs as the person who looks may see them; the server is a fake with recorded answers."""

import io
import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.files.storage import storages
from django.urls import reverse
from django.utils import timezone
from factories import make_grant, make_member, make_template, make_template_run, make_tenant

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.hosting.base import TenantConflict, TenantRefused, TenantUnreachable
from tenants.models import Tenant
from tenants.run_templates.engine import runner
from tenants.run_templates.models import TemplateRun
from tenants.run_templates.notices import choose_default, choose_for_run
from tenants.runs import columns
from tenants.runs.client import LogLine
from tests.tenants.runs.fakes import RUN_ID, churn
from zenpro_site.common import shared_files
from zenpro_site.common.shared_files import ALIAS

pytestmark = pytest.mark.any_database

TROUBLES = [
    (TenantUnreachable("The server cannot be reached."), "does not answer"),
    (TenantRefused(401, "Not authorized to access this server."), "no role inside"),
    (TenantRefused(403, "Insufficient permissions."), "no role inside"),
    (TenantRefused(500, "Boom."), "Boom."),
    (TenantConflict("Strange."), "Strange."),
]


def url(name, tenant, *args):
    return reverse(f"tenants:{name}", args=[tenant.organization.slug, tenant.slug, *args])


@pytest.fixture(autouse=True)
def data(settings, tmp_path):
    settings.ZENPRO_DATA = tmp_path


@pytest.fixture
def developer(member, tenant):
    make_grant(tenant, member, "developer")
    return member


@pytest.fixture
def looks(as_user, developer, tenant, server):
    """looks(name, *args, **query): the page as the developer gets it."""

    def get(name, *args, target="", **query):
        headers = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": target} if target else {}
        return as_user(developer).get(url(name, tenant, *args), query, **headers)

    return get


def run_page(looks, **query):
    return looks("run_detail", RUN_ID, **query).content.decode()


# -- when the server says no


@pytest.mark.parametrize(("error", "text"), TROUBLES)
@pytest.mark.parametrize("page", ["runs", "run_detail"])
def test_no_answer_is_a_state_not_an_error(looks, server, page, error, text):
    server.error = error
    answer = looks(page, *([RUN_ID] if page == "run_detail" else []))
    assert answer.status_code == 200
    assert text in answer.content.decode()


def test_org_admin_without_a_role_is_offered_to_join(owner, tenant, as_user, server):
    server.error = TenantRefused(403, "You have no role on this tenant.")
    page = as_user(owner).get(url("runs", tenant)).content.decode()
    assert url("join", tenant) in page
    assert "recorded" in page


def test_others_without_a_role_are_not(looks, server, tenant):
    server.error = TenantRefused(403, "No.")
    assert url("join", tenant) not in looks("runs").content.decode()


@pytest.mark.parametrize("status", ["pending", "failed", "deactivated"])
def test_server_that_does_not_run_is_not_asked(looks, server, tenant, status):
    Tenant.objects.filter(pk=tenant.pk).update(status=status)
    assert "is not running" in looks("runs").content.decode()
    assert server.calls == []


def test_unknown_run_is_not_found(looks):
    assert looks("run_detail", uuid4()).status_code == 404
    assert looks("step_log", uuid4(), uuid4()).status_code == 404


def test_outsider_finds_no_run(outsider, tenant, as_user, server):
    assert as_user(outsider).get(url("run_detail", tenant, RUN_ID)).status_code == 404
    assert server.calls == []


# -- list


def test_list_shows_runs_with_our_people(org, looks, server):
    make_member(org, username="admin", name="Ada Lovelace")
    page = looks("runs").content.decode()
    assert "churn-2026_11_23-14_16_54_963429" in page
    assert "Ada Lovelace" in page


def test_list_is_filtered_by_status(looks, server):
    server.add_run(name="broken", status="failed")
    page = looks("runs", status="failed").content.decode()
    assert "broken" in page
    assert "churn-2026" not in page


@pytest.mark.parametrize(
    "query",
    [
        {"status": "excellent"},
        {"person": "Not A Username"},
        {"template": "0"},
        {"template": str(uuid4())},
        {"since": "2026-13-40"},
        {"until": "0001-01-01"},
        {"pipeline": "p" * 201},
        {"tag": "t" * 201},
        {"sort": "-owner"},
    ],
)
def test_a_filter_that_makes_no_sense_is_left_out_and_told(looks, server, query):
    answer = looks("runs", **query)
    assert answer.status_code == 200
    page = answer.content.decode()
    assert "so it was left out" in page
    assert "churn-2026_11_23-14_16_54_963429" in page
    assert server.filters == [{"sort_by": "desc:created"}]


def test_every_filter_goes_to_the_server(looks, server, developer, tenant):
    template = make_template(tenant, name="nightly")
    mine = make_template_run(template, zenml_run_id=uuid4())
    make_template_run(template)
    looks(
        "runs", q="chu", status="failed", person="me", template=template.pk, pipeline="tra", tag="equals:odd",
        stack="gpu", since="2026-11-01", until="2026-11-02", sort="-started",
    )  # fmt: skip
    assert server.filters == [
        {
            "name": "contains:chu",
            "status": "equals:failed",
            "user": f"equals:{developer.username}",
            "id": f'oneof:["{mine.zenml_run_id}"]',
            "pipeline_name": "contains:tra",
            "tags": "equals:equals:odd",
            "stack": "equals:gpu",
            "start_time": ["gte:2026-11-01 00:00:00", "lt:2026-11-03 00:00:00"],
            "sort_by": "desc:start_time",
        }
    ]
    assert server.calls == ["projects", "runs"]


def test_template_that_never_ran_has_no_runs(looks, server, tenant):
    template = make_template(tenant)
    looks("runs", template=template.pk)
    assert server.filters[0]["id"] == 'oneof:["00000000-0000-0000-0000-000000000000"]'


def test_templates_of_another_tenant_are_no_filter(looks, server, org):
    foreign = make_template_run(make_template(make_tenant(org, "other")), zenml_run_id=uuid4())
    page = looks("runs", template=foreign.template_id).content.decode()
    assert "so it was left out" in page
    assert "id" not in server.filters[0]


def test_filters_are_chips_that_can_be_taken_away(looks, server):
    page = looks("runs", q="churn", status="completed", sort="name", page="1").content.decode()
    assert 'href="?status=completed&amp;sort=name" aria-label="Remove the filter Name churn"' in page
    assert 'href="?q=churn&amp;sort=name" aria-label="Remove the filter Status Completed"' in page
    assert 'href="?sort=name">Clear filters' in page


def test_heads_of_columns_sort(looks, server):
    page = looks("runs").content.decode()
    assert re.findall(r'aria-sort="(\w+)"', page) == ["descending"]
    assert {'href="?sort=name"', 'href="?sort=status"', 'href="?sort=started"'} <= set(
        re.findall(r'href="\?sort=[^"]*"', page)
    )
    page = looks("runs", sort="name").content.decode()
    assert server.filters[-1]["sort_by"] == "asc:name"
    assert 'aria-sort="ascending"' in page and 'href="?sort=-name"' in page


# -- columns


def cells(page):
    return [
        re.sub(r"<[^>]*>|\s", "", cell)
        for cell in re.findall(r'<td[^>]*class="value[^>]*>(.*?)</td>', page, re.DOTALL)
    ]


def test_metrics_and_parameters_are_columns_for_one_more_call(looks, server):
    other = server.add_run(name="older")
    del server.step_answers[str(other)]["items"][3]["metadata"]["run_metadata"]["training_auc"]
    wanted = ["metric:train.training_auc", "parameter:train.rounds", "parameter:train.l2", "metric:nowhere.x"]
    page = looks("runs", columns=wanted).content.decode()
    assert cells(page) == ["0.8492", "120", "null", "–", "–", "120", "null", "–"]
    assert server.calls == ["projects", "runs", "steps_of_runs"]


def test_a_column_shows_what_an_earlier_run_logged_for_a_step_that_was_taken_over(server):
    second = server.add_run(name="second")
    server.take_over(second, "train")
    column = columns.RunColumn("metric", "train", "training_auc")
    run = server.run(second)
    assert columns.numbers_of(server, [run], [column]) == {second: {column: 0.8492}}
    assert server.calls[-2:] == ["steps_of_runs", "steps_by_ids"]
    assert column in columns.offered(server, [run])
    found, note = columns.values(server, [run], [column], lambda values, spec: values)
    assert ([one.text for one in found[second]], note) == (["0.8492"], "")


def test_metrics_of_the_whole_run_need_no_call(looks, server):
    server.run_answers[str(RUN_ID)]["metadata"]["run_metadata"] = {"auc": {"north": 0.5}, "note": "good"}
    page = looks("runs", columns=["metric:.auc.north", "metric:.note"]).content.decode()
    assert cells(page) == ["0.5", "–"]
    assert server.calls == ["projects", "runs"]


@pytest.mark.parametrize(
    "keys",
    [
        ["rounds"],
        ["metric:train"],
        ["price:train.x"],
        [f"metric:s.m{n}" for n in range(6)],
        ["metric:." * 200],
    ],
)
def test_columns_that_make_no_sense_are_left_out_and_told(looks, server, keys):
    answer = looks("runs", columns=keys)
    assert answer.status_code == 200
    assert "the columns in the address, so it was left out" in answer.content.decode()
    assert len(cells(answer.content.decode())) <= 5


def test_list_is_there_without_its_columns(looks, server, monkeypatch):
    def refuse(*args):
        raise TenantRefused(422, "Odd filter.")

    monkeypatch.setattr(server, "steps_of_runs", refuse)
    page = looks("runs", columns=["metric:train.auc"]).content.decode()
    assert "Odd filter." in page
    assert cells(page) == ["–"]


def test_chooser_offers_what_the_newest_runs_have(looks, server):
    page = looks("run_columns", status="completed", columns="metric:train.gone").content.decode()
    assert 'value="metric:train.training_auc"' in page
    assert 'value="parameter:train.rounds"' in page
    assert re.search(r'value="metric:train.gone"\s+checked', page)
    assert '<input type="hidden" name="status" value="completed">' in page
    assert server.calls == ["projects", "runs", "steps_of_runs"]


def test_chooser_offers_what_each_pipeline_of_the_list_has(looks, server):
    """Also when its newest runs failed, or are of another pipeline."""
    for number in range(3):
        run = server.run_answers.pop(str(RUN_ID))
        other = server.add_run(name=f"bare {number}", status="failed")
        server.run_answers[str(other)]["resources"]["pipeline"]["name"] = "bare"
        server.step_answers[str(other)]["items"] = []
        server.run_answers[str(RUN_ID)] = run
    page = looks("run_columns").content.decode()
    assert 'value="metric:train.training_auc"' in page


def test_a_column_sorts_the_runs_of_a_page(looks, server):
    """By their numbers, with those that have none last."""
    key = "metric:train.training_auc"
    for name, value in (("low", 0.1), ("none", None), ("high", 11)):
        run = server.add_run(name=name)
        logged = server.step_answers[str(run)]["items"][3]["metadata"]["run_metadata"]
        logged.pop("training_auc") if value is None else logged.update(training_auc=value)
    page = looks("runs", columns=[key]).content.decode()
    assert re.search(r'href="\?columns=[^"]*&amp;by=-metric[^"]*training_auc"', page)
    page = looks("runs", columns=[key], by=f"-{key}").content.decode()
    assert cells(page) == ["11", "0.8492", "0.1", "–"] and 'aria-sort="descending"' in page
    assert cells(looks("runs", columns=[key], by=key).content.decode()) == ["0.1", "0.8492", "11", "–"]
    assert len(cells(looks("runs", columns=[key], by="metric:x.<y>").content.decode())) == 4


@pytest.mark.parametrize("steps, calls", [(33, 1), (40, 2), (700, columns.OFFERED_PAGES)])
def test_metrics_of_the_last_of_many_steps_are_offered(server, steps, calls):
    others = [server.add_run(name=f"run {number}") for number in range(2)]
    for run_id in (RUN_ID, *others):
        server.many_steps(steps, run_id)
    last = server.step_answers[str(others[-1])]["items"][-1]
    last["metadata"] = {**last["metadata"], "run_metadata": {"precision": 0.9}}
    found = columns.offered(server, [server.run(one) for one in (RUN_ID, *others)])
    wanted = columns.RunColumn("metric", last["name"], "precision")
    assert (wanted in found) is (steps < 700)
    assert server.calls.count("steps_of_runs") == calls


def test_chooser_says_why_it_is_empty(looks, server):
    server.run_answers = {}
    assert "no metrics and no parameters" in looks("run_columns").content.decode()
    server.error = TenantUnreachable("The server cannot be reached.")
    assert "does not answer" in looks("run_columns").content.decode()


# -- tags


def tags_of(server, run=RUN_ID):
    return [tag["name"] for tag in server.run_answers[str(run)]["resources"]["tags"]]


def post_tags(as_user, person, tenant, run=RUN_ID, **data):
    return as_user(person).post(url("run_tags", tenant, run), data)


@pytest.mark.parametrize(
    ("tags", "text"), [("t" * 201, "can&#x27;t be a tag"), ("\n".join("abcdefghijk" * 5), "")]
)
def test_tags_that_cannot_be_are_refused(as_user, developer, tenant, server, tags, text):
    tags = tags if text else "\n".join(f"t{n}" for n in range(51))
    answer = post_tags(as_user, developer, tenant, tags=tags)
    assert answer.status_code == 422
    assert (text or "can have 50 tags") in answer.content.decode()
    assert "update_run" not in server.calls


def test_viewers_cannot_change_tags(org, as_user, tenant, server):
    viewer = make_member(org, "member")
    make_grant(tenant, viewer, "viewer")
    assert post_tags(as_user, viewer, tenant, tags="mine").status_code == 403
    assert "Edit tags" not in as_user(viewer).get(url("runs", tenant)).content.decode()
    assert server.calls == ["projects", "runs"]


def test_server_may_refuse_tags(as_user, developer, tenant, server):
    server.error = TenantRefused(403, "Insufficient permissions to update this run.")
    answer = post_tags(as_user, developer, tenant, tags="mine")
    assert answer.status_code == 422
    assert "Insufficient permissions" in answer.content.decode()
    assert not AuditEvent.objects.filter(action="run.tagged").exists()


def test_tags_of_an_unknown_run_are_not_found(as_user, developer, tenant, server):
    assert post_tags(as_user, developer, tenant, uuid4(), tags="mine").status_code == 404


def test_only_what_changed_is_sent_and_recorded(as_user, developer, tenant, server):
    server.run_answers[str(RUN_ID)]["resources"]["tags"] = [
        {"name": "old"},
        {"name": "kept"},
        {"name": "others"},
    ]
    sent = {
        "had": ["old", "kept"],
        "tags": "kept\r\n best one \r\nbest one\r\n\r\n",
        "back": "status=failed&q=%26",
    }
    answer = post_tags(as_user, developer, tenant, **sent)
    assert (answer.status_code, answer.url) == (302, f"{url('runs', tenant)}?status=failed&q=%26")
    assert tags_of(server) == ["kept", "others", "best one"]
    row = AuditEvent.objects.get(action="run.tagged")
    assert (row.actor, row.before, row.after["tags"]) == (developer, {"tags": "old"}, "best one")
    assert server.calls == ["update_run"]


def test_nothing_changed_is_no_call(as_user, developer, tenant, server):
    assert post_tags(as_user, developer, tenant, had="a", tags="a").status_code == 302
    assert server.calls == []
    assert not AuditEvent.objects.filter(action="run.tagged").exists()


def test_tags_are_shown_and_filter_the_list(looks, server):
    server.run_answers[str(RUN_ID)]["resources"]["tags"] = [{"name": f"a&b{n}"} for n in range(8)]
    page = looks("runs", status="completed").content.decode()
    assert 'href="?status=completed&amp;tag=a%26b0"' in page
    assert "and 2 more" in page
    form = looks("run_tags", RUN_ID, status="completed").content.decode()
    assert 'name="had" value="a&amp;b7"' in form
    assert 'name="back" value="status=completed"' in form


# -- who and where


def test_people_are_offered_to_those_who_may_see_members(org, looks, server, as_user, owner, tenant):
    make_member(org, username="zoe", name="Zoe Quist")
    assert "Zoe Quist" not in looks("runs").content.decode()
    page = as_user(owner).get(url("runs", tenant), {"person": "zoe"}).content.decode()
    assert '<option value="zoe" selected>Zoe Quist</option>' in page
    assert server.filters[-1]["user"] == "equals:zoe"


def test_search_answers_with_the_list_alone(looks, server):
    fragment = looks("runs", target="runs", q="churn").content.decode()
    assert "<html" not in fragment and 'id="runs"' in fragment


def test_filter_without_a_hit_is_not_the_first_use(looks, server):
    assert "Clear filters" in looks("runs", status="stopped").content.decode()


@pytest.mark.parametrize("page", ["0", "-1", "x", "99999999999", "2"])
def test_list_survives_any_page_number(looks, server, page):
    answer = looks("runs", page=page)
    assert answer.status_code == 200
    assert server.calls.count("runs") == 1


def test_list_is_paged(looks, server):
    for _ in range(24):
        server.add_run()
    page = looks("runs").content.decode()
    assert "Page 1 of 2" in page
    assert "25 runs" in page
    assert "Page 2 of 2" in looks("runs", page="2").content.decode()


def test_first_use_tells_how_to_run_a_pipeline(looks, server, tenant):
    server.run_answers = {}
    page = looks("runs").content.decode()
    assert "No runs yet" in page
    assert f"zenml login {tenant.server_url}" in page


def test_server_without_projects_says_so(looks, server):
    server.project_answers = []
    assert "No projects you can see" in looks("runs").content.decode()


def test_list_polls_only_while_something_runs(looks, server):
    assert "every 3s" not in looks("runs").content.decode()
    server.half_way()
    assert "every 3s" in looks("runs").content.decode()


def test_list_needs_the_same_queries_for_more_runs(looks, server, count_queries):
    numbers = [count_queries(lambda: looks("runs"))]
    for _ in range(2):
        server.add_run()
    numbers.append(count_queries(lambda: looks("runs")))
    assert numbers[0] == numbers[1]


# -- one run


def test_run_page_shows_header_graph_steps(looks, server):
    page = run_page(looks)
    assert "Completed" in page
    assert page.count('class="node t-ok') == 5
    assert page.count('id="step-') == 5
    assert "5 done" in page
    assert "every 2s" not in page


def test_running_run_is_polled_and_ends_by_itself(looks, server):
    server.half_way("train")
    page = run_page(looks, step="evaluate")
    assert 'hx-trigger="every 2s"' in page
    assert "step=evaluate" in page.partition('id="run"')[2].partition(">")[0]
    assert "This step has not started yet." in page
    server.run_answers[str(RUN_ID)] = churn("run")
    server.dags[str(RUN_ID)] = churn("dag")
    fragment = run_page(looks, step="evaluate", target="run")
    assert "<html" not in fragment
    assert "every 2s" not in fragment
    assert "Completed" in fragment


def test_chosen_step_is_marked_in_list_and_graph(looks, server):
    page = run_page(looks, step="profile")
    assert page.count('aria-current="true"') >= 2
    assert "Log of profile" not in page


def test_failed_run_leads_to_its_first_failing_step(looks, server):
    server.fail("train", "Input y contains <NaN>.")
    page = run_page(looks)
    assert "<b>train</b> failed: Input y contains &lt;NaN&gt;." in page
    assert "?step=train#log" in page
    assert "Not run" in page
    assert "Traceback" in page


@pytest.mark.parametrize("status, said", [("running", True), ("failed", False)])
def test_a_run_goes_on_without_a_failed_step_only_while_it_runs(looks, server, status, said):
    """ZenML still calls it in progress for a moment after it has failed."""
    server.fail("train", "No.")
    server.dags[str(RUN_ID)]["status"] = status
    server.run_answers[str(RUN_ID)]["body"] |= {"status": status, "in_progress": True}
    page = run_page(looks)
    assert 'hx-trigger="every 2s"' in page
    assert ("The run continues without it." in page) is said


def test_log_has_numbers_levels_and_a_download(looks, server, tenant):
    step = server.dags[str(RUN_ID)]["nodes"][0]["id"]
    server.logs[step] = [LogLine("Loaded 5000 rows", 20, None), LogLine("<b>3 columns</b> dropped", 30, None)]
    page = run_page(looks, step="load_customers")
    assert 'id="L2" class="wrn"' in page
    assert "&lt;b&gt;3 columns" in page
    assert url("step_log", tenant, RUN_ID, step) in page


def test_download_is_plain_text_with_a_name(looks, server):
    step = server.dags[str(RUN_ID)]["nodes"][0]["id"]
    server.logs[step] = [LogLine("one", 20, None), LogLine("two", 20, None)]
    answer = looks("step_log", RUN_ID, step)
    assert answer.content == b"one\ntwo\n"
    assert answer["Content-Type"].startswith("text/plain")
    assert f"churn-2026_11_23-14_16_54_963429-{step[:8]}.log" in answer["Content-Disposition"]


def test_download_from_a_silent_server_says_so(looks, server):
    server.error = TenantUnreachable("The server cannot be reached.")
    assert looks("step_log", RUN_ID, uuid4()).status_code == 503


def test_configuration_shows_parameters_of_every_step(looks, server):
    page = run_page(looks, view="configuration")
    assert "learning_rate" in page
    assert "include_free_plan" in page


def test_metrics_are_listed(looks, server):
    page = run_page(looks, view="metrics")
    assert "auc_by_region.north" in page
    assert "in an earlier run" not in page
    assert "steps_by_ids" not in server.calls


@pytest.mark.parametrize("status", ["cached", "skipped"])
def test_metrics_of_a_step_that_was_taken_over_are_those_of_the_earlier_run(looks, server, status):
    second = server.add_run(name="second")
    server.take_over(second, "train", status)
    page = looks("run_detail", second, view="metrics").content.decode()
    assert re.findall(r"training_auc.*?</tr>", page, re.DOTALL)[0].count("in an earlier run") == 1
    assert "0.8492" in page
    assert page.count("in an earlier run") == page.count("<code>train</code>") > 1
    assert server.calls.count("steps_by_ids") == 1


def test_metrics_whose_step_is_not_to_be_seen_are_not_shown(looks, server, monkeypatch):
    second = server.add_run(name="second")
    server.take_over(second, "train")

    def refuse(ids, project):
        raise TenantRefused(403, "Not yours.")

    monkeypatch.setattr(server, "steps_by_ids", refuse)
    page = looks("run_detail", second, view="metrics")
    assert page.status_code == 200
    assert "training_auc" not in page.content.decode()


def test_large_graph_is_drawn_on_demand(looks, server, monkeypatch):
    monkeypatch.setattr("tenants.runs.run_graph.GRAPH_LIMIT", 3)
    assert '<svg class="dag"' not in run_page(looks)
    assert '<svg class="dag"' in run_page(looks, graph="1")


# -- templates


def test_make_template_is_offered_to_those_who_may(looks, tenant, server, org, as_user):
    link = f"{reverse('run_templates:create', args=[org.slug, tenant.slug])}?run={RUN_ID}"
    assert link in run_page(looks)
    operator = make_member(org)
    make_grant(tenant, operator, "operator")
    assert link not in as_user(operator).get(url("run_detail", tenant, RUN_ID)).content.decode()


def test_rerun_names_its_template_its_changes_and_can_be_stopped(looks, tenant, server, developer):
    server.half_way()
    template = make_template(tenant, "nightly-churn")
    rerun = make_template_run(
        template, person=developer, zenml_run_id=RUN_ID, state="running",
        changes=[{"path": "train.rounds", "before": 120, "after": 300}],
    )  # fmt: skip
    page = run_page(looks)
    assert template.get_absolute_url() in page
    assert rerun.get_absolute_url() in page
    assert "/cancel/" in page
    assert "1 changed" in page
    assert "train.rounds" in run_page(looks, view="configuration")


def ended_in_zenml(server, status="failed"):
    """The run has ended for its server, which leaves it in progress as long as its process has not."""
    server.half_way()
    server.run_answers[str(RUN_ID)]["body"]["status"] = server.dags[str(RUN_ID)]["status"] = status
    for node in (one for one in server.dags[str(RUN_ID)]["nodes"] if one["type"] == "step"):
        if node["metadata"].get("status") == "running":
            node["metadata"]["status"] = status
            return node


@pytest.mark.parametrize("status", ["failed", "completed"])
def test_what_has_ended_is_not_stopped_while_its_process_ends(looks, tenant, server, developer, status):
    ended_in_zenml(server, status)
    assert "/stop/" not in run_page(looks), "Of a run from elsewhere."
    rerun = make_template_run(make_template(tenant), person=developer, zenml_run_id=RUN_ID, state="running")
    page = run_page(looks)
    assert "/cancel/" not in page and "Ending" in page
    assert 'hx-trigger="every 2s"' in page
    TemplateRun.objects.filter(pk=rerun.pk).update(state=status)
    assert "Ending" not in run_page(looks)


def test_what_failed_can_be_stopped_while_other_branches_run(looks, tenant, server, developer):
    node = ended_in_zenml(server)
    rerun = make_template_run(make_template(tenant), person=developer, zenml_run_id=RUN_ID, state="running")
    node["metadata"]["status"] = "running"
    assert "/cancel/" in run_page(looks) and "Ending" not in run_page(looks)
    TemplateRun.objects.filter(pk=rerun.pk).update(state="stopping", cancel_requested_at=timezone.now())
    assert "/cancel/" not in run_page(looks)


def test_a_re_run_that_goes_on_offers_to_tell_how_it_ends(looks, tenant, server, developer, settings):
    settings.MAIL_IS_SET_UP = True
    server.half_way()
    assert "Tell me when it ends" not in run_page(looks)  # a run from elsewhere: the agent learns of no end
    rerun = make_template_run(make_template(tenant), person=developer, zenml_run_id=RUN_ID, state="running")
    assert "Tell me when it ends" in run_page(looks)
    choose_default(when="failed", by=Actor(developer))
    assert "You’ll be told if it fails" in run_page(looks)
    choose_for_run(run=rerun, wanted=True, by=Actor(developer))
    assert "You’ll be told when it ends" in run_page(looks)
    TemplateRun.objects.filter(pk=rerun.pk).update(state="failed")
    assert "when it ends" not in run_page(looks)


def test_what_is_left_of_a_re_run_whose_process_died_does_not_go_on(looks, tenant, server, developer):
    """The server goes on believing in it; what it printed is the only way to learn why."""
    server.half_way()
    rerun = make_template_run(
        make_template(tenant),
        person=developer,
        zenml_run_id=RUN_ID,
        state="running",
        state_reason="It was killed.",
    )
    write_output(rerun, "Importing\nno module named <churn>\n")
    page = run_page(looks)
    assert "Process output" in page and "every 1s" in page
    assert 'hx-trigger="every 2s"' in page
    TemplateRun.objects.filter(pk=rerun.pk).update(state="failed")
    page = run_page(looks)
    assert "/cancel/" not in page
    assert 'hx-trigger="every 2s"' not in page
    assert "waiting" not in page.lower()
    assert "running" not in page.lower()
    assert re.search(r'<span role="status">.*Failed</span></span>', page)
    assert "not run" in page
    assert "last 2 lines" in page
    assert "Importing\nno module named &lt;churn&gt;\n" in page


def submitted(tenant, person, **fields):
    template = make_template(tenant, stack_name="cluster <1>")
    return make_template_run(template, person=person, zenml_run_id=RUN_ID, state="submitted", **fields)


def test_a_run_on_a_remote_stack_says_where_it_runs_and_can_be_stopped(looks, tenant, server, developer):
    server.half_way()
    rerun = submitted(tenant, developer)
    write_output(rerun, "Orchestrator job started.\n")
    page = run_page(looks)
    assert "Runs on cluster &lt;1&gt;" in page and "/cancel/" in page
    assert "Orchestrator job started." in page and "every 1s" not in page, "No process prints any more."
    assert 'hx-trigger="every 2s"' in page
    TemplateRun.objects.filter(pk=rerun.pk).update(state="completed")
    assert "Runs on" not in run_page(looks)


def test_silence_of_a_run_on_a_remote_stack_is_said_and_it_is_stopped_in_two_steps(
    looks, tenant, server, developer, as_user
):
    server.half_way()
    rerun = submitted(tenant, developer, state_reason="No sign of life since 18:43.")
    page = run_page(looks)
    assert "<b>No sign of life since 18:43.</b> The run is left alone" in page
    stop = reverse("run_templates:cancel", args=[tenant.organization.slug, tenant.slug, rerun.template_id, 1])
    as_user(developer).post(stop)
    page = run_page(looks)
    assert "Stops with the running step." in page and "Stopping on cluster" in page and "End now" in page
    assert "Stop</button>" not in page
    as_user(developer).post(stop, {"now": "on"})
    page = run_page(looks)
    assert "Ending the run without waiting for cluster &lt;1&gt;." in page and "End now" not in page
    rerun.refresh_from_db()
    assert (rerun.state, rerun.given_up_at is None) == ("submitted", False)


def test_only_who_may_stop_a_run_may_end_it_at_once(tenant, server, developer, org, as_user):
    server.half_way()
    rerun = submitted(tenant, developer, cancel_requested_at=timezone.now())
    other = make_member(org, "member")
    make_grant(tenant, other, "operator")
    page = as_user(other).get(url("run_detail", tenant, RUN_ID)).content.decode()
    assert "Stops with the running step." in page and "End now" not in page
    stop = reverse("run_templates:cancel", args=[tenant.organization.slug, tenant.slug, rerun.template_id, 1])
    assert as_user(other).post(stop, {"now": "on"}).status_code == 403
    rerun.refresh_from_db()
    assert rerun.given_up_at is None


def write_output(rerun, text):
    runner.folder_of(rerun.pk).mkdir(parents=True)
    runner.output_file(rerun.pk).write_text(text)


def test_running_a_re_run_again_begins_with_its_own_values(looks, tenant, developer):
    """Else whoever mends one value after a failure has lost all the others."""
    template = make_template(tenant)
    make_template_run(template, developer)
    make_template_run(template, developer, zenml_run_id=RUN_ID, state="failed")
    form = reverse("run_templates:run", args=[tenant.organization.slug, tenant.slug, template.pk])
    assert f'href="{form}?from=2"' in run_page(looks)


def test_rerun_that_was_stopped_by_itself_says_why(looks, tenant, server, developer):
    reason = "Dana Petrova no longer has access to production."
    make_template_run(
        make_template(tenant), person=developer, zenml_run_id=RUN_ID, state="stopped", stop_reason=reason
    )
    assert f"<b>The run was stopped:</b> {reason}" in run_page(looks)


def test_a_failed_re_run_is_continued_by_those_who_may_run(looks, tenant, server, org, developer, as_user):
    server.fail()
    rerun = make_template_run(make_template(tenant), developer, zenml_run_id=RUN_ID, state="failed")
    form = reverse("run_templates:run", args=[org.slug, tenant.slug, rerun.template_id])
    assert f'href="{form}?continue=1&amp;step=train"' in run_page(looks)
    viewer = make_member(org)
    make_grant(tenant, viewer, "viewer")
    assert form not in as_user(viewer).get(url("run_detail", tenant, RUN_ID)).content.decode()


def test_a_version_that_continues_no_runs_says_so_where_the_way_would_be(looks, tenant, server, developer):
    server.fail()
    make_template_run(make_template(tenant), developer, zenml_run_id=RUN_ID, state="failed")
    Tenant.objects.filter(pk=tenant.pk).update(zenml_version="0.93.0")
    page = run_page(looks)
    assert "Continuing a run needs ZenML 0.94 or later; production has 0.93.0." in page
    assert "?continue=" not in page


def test_a_version_whose_runs_cannot_run_again_says_so_instead_of_the_doors(looks, tenant, server):
    assert "Run again" in run_page(looks)
    Tenant.objects.filter(pk=tenant.pk).update(zenml_version="0.84.3")
    page = run_page(looks)
    assert "Running a run again needs ZenML 0.85 or later; production has 0.84.3." in page
    assert "Run again" not in page


@pytest.mark.parametrize("state, asks", [("running", True), ("failed", False)])
def test_the_page_asks_again_until_the_process_of_a_re_run_has_ended(
    looks, tenant, server, developer, state, asks
):
    """ZenML calls the run failed before that; only afterwards can it be continued."""
    server.fail()
    make_template_run(make_template(tenant), developer, zenml_run_id=RUN_ID, state=state)
    assert ('hx-trigger="every 2s"' in run_page(looks)) is asks


TRACE = """  File "/x/runs/{pk}/code/churn/steps.py", line 3, in train
    import xgboost
ModuleNotFoundError: No module named 'xgboost'
"""


def failing(server, template, person, trace=TRACE):
    """A re-run whose step train failed with this traceback."""
    server.fail()
    rerun = make_template_run(template, person, zenml_run_id=RUN_ID, state="failed")
    for step in server.step_answers[str(RUN_ID)]["items"]:
        if step["name"] == "train":
            said = {"message": "No module named 'xgboost'", "traceback": trace.format(pk=rerun.pk)}
            step["metadata"]["exception_info"] = said
    return rerun


def test_what_to_do_about_a_failure_leads_to_the_form(looks, tenant, server, developer):
    rerun = failing(server, make_template(tenant), developer)
    why = run_page(looks).partition('id="why"')[2].partition("</section>")[0]
    form = reverse("run_templates:run", args=[tenant.organization.slug, tenant.slug, rerun.template_id])
    assert f'href="{form}?from={rerun.number}"' in why
    assert f'href="{form}?continue={rerun.number}&amp;step=' in why
    assert 'href="?' not in why


def test_a_failure_shows_its_line_of_code_and_what_to_do(
    looks, tenant, server, org, developer, as_user, settings
):
    rerun = failing(server, make_template(tenant, created_by=developer), developer)
    code = settings.ZENPRO_DATA / "code" / rerun.code.code_hash / "churn"
    code.mkdir(parents=True)
    (code / "steps.py").write_text("# one\n# two\nimport xgboost  # <here>\n# four\n# five\n")
    page = run_page(looks)
    assert "failed: The module xgboost is missing." in page
    assert "<code>churn/steps.py</code>, line 3" in page
    assert "import xgboost  # &lt;here&gt;" in page
    assert "# four" in page and "# five" not in page
    edit = reverse("run_templates:edit", args=[org.slug, tenant.slug, rerun.template_id])
    assert f"{edit}?add=xgboost" in page
    form = as_user(developer).get(edit, {"add": "xgboost.core"}).context["form"]
    assert form.initial["requirements"] == "xgboost"
    assert as_user(developer).get(edit, {"add": "-e ."}).context["form"].initial["requirements"] == ""
    viewer = make_member(org)
    make_grant(tenant, viewer, "viewer")
    page = as_user(viewer).get(url("run_detail", tenant, RUN_ID)).content.decode()
    assert "The module xgboost is missing." in page
    assert "?add=" not in page and "?continue=" not in page


@pytest.mark.parametrize("path", ["../../secret.py", "link.py", "folder", "x\0y", "/etc/passwd", "steps.py"])
def test_a_traceback_shows_no_file_beside_the_code(looks, tenant, server, developer, settings, path):
    """Whoever writes a traceback can name any file; a line beyond the end of one is none."""
    trace = '  File "/x/runs/{pk}/code/' + path + '", line 2, in f\nValueError: no rows\n'
    rerun = failing(server, make_template(tenant), developer, trace)
    code = settings.ZENPRO_DATA / "code" / rerun.code.code_hash
    (code / "folder").mkdir(parents=True)
    (settings.ZENPRO_DATA / "secret.py").write_text("one\nsecret\n")
    (code / "link.py").symlink_to(settings.ZENPRO_DATA / "secret.py")
    (code / "steps.py").write_text("only one line")
    page = run_page(looks)
    assert "secret\n" not in page and "root:" not in page
    assert 'class="log excerpt"' not in page


def test_what_a_failed_run_wrote_is_downloaded_while_it_is_kept(
    looks, tenant, server, developer, outsider, as_user
):
    rerun = failing(server, make_template(tenant), developer)
    write_output(rerun, "")
    runner.kept_file(rerun.pk).write_bytes(b"packed")
    assert looks("run_kept", RUN_ID).status_code == 404
    assert "Download what the run wrote" not in run_page(looks)
    until = timezone.now() + timedelta(days=1)
    TemplateRun.objects.filter(pk=rerun.pk).update(kept_until=until, kept_bytes=6)
    assert "Download what the run wrote" in run_page(looks)
    answer = looks("run_kept", RUN_ID)
    assert b"".join(answer.streaming_content) == b"packed"
    assert answer["Content-Disposition"].endswith('.tar.gz"')
    assert answer["Content-Security-Policy"].startswith("sandbox")
    assert as_user(outsider).get(url("run_kept", tenant, RUN_ID)).status_code == 404
    server.error = TenantRefused(403, "You have no role on this tenant.")
    refused = looks("run_kept", RUN_ID)
    assert (refused.status_code, b"packed" in refused.content) == (503, False)
    server.error = None
    runner.kept_file(rerun.pk).unlink()
    runner.kept_file(rerun.pk).symlink_to("/etc/passwd")
    assert looks("run_kept", RUN_ID).status_code == 404


def test_what_a_failed_run_wrote_is_in_the_storage_too(looks, tenant, server, developer, settings, tmp_path):
    rerun = failing(server, make_template(tenant), developer)
    until = timezone.now() + timedelta(days=1)
    TemplateRun.objects.filter(pk=rerun.pk).update(kept_until=until, kept_bytes=6)
    place = {"BACKEND": "tests.shared_folder.SharedFolder", "OPTIONS": {"location": str(tmp_path / "shared")}}
    settings.STORAGES = {**settings.STORAGES, ALIAS: place}
    shared_files.forget_silence()
    storages[ALIAS].put(f"runs/{rerun.pk}/written.tar.gz", io.BytesIO(b"packed"))
    answer = looks("run_kept", RUN_ID)
    assert (b"".join(answer.streaming_content), answer["Content-Length"]) == (b"packed", "6")
    assert answer["Content-Disposition"].endswith('.tar.gz"')
    storages[ALIAS].fall_silent()
    refused = looks("run_kept", RUN_ID)
    words = b"What this run wrote can't be read now: the object storage does not answer.\n"
    assert (refused.status_code, refused.content) == (503, words)


def test_a_failure_that_the_server_knows_nothing_of_is_read_from_the_output(looks, tenant, server, developer):
    rerun = failing(server, make_template(tenant), developer)
    for step in server.step_answers[str(RUN_ID)]["items"]:
        step["metadata"]["exception_info"] = None
    write_output(rerun, f"Step failed.\nTraceback (most recent call last):\n{TRACE.format(pk=rerun.pk)}")
    assert "failed: The module xgboost is missing." in run_page(looks)


def test_steps_that_were_taken_over_say_from_which_run(looks, tenant, server, developer):
    first = make_template_run(
        make_template(tenant, "nightly"), developer, zenml_run_id=RUN_ID, state="failed"
    )
    second = server.add_run()
    for node in server.dags[str(second)]["nodes"]:
        if node["name"] in ("load_customers", "profile"):
            node["metadata"]["status"] = "skipped"
    fields = {"continues": first, "continues_from": "train", "taken_over": ["load_customers", "train"]}
    make_template_run(first.template, developer, zenml_run_id=second, state="completed", **fields)
    page = looks("run_detail", second).content.decode()
    assert page.count("Taken over from re-run 1") == 2  # in the graph, for eyes and for readers of the screen
    assert "from re-run 1" in page
    assert f'href="{url("run_detail", tenant, RUN_ID)}"' in page
    assert "2 steps taken over" in page


def test_a_run_and_what_came_of_it_lead_to_each_other(looks, tenant, server, developer):
    """And the page says which version of the code it was."""
    template = make_template(tenant, "nightly", source_run_id=RUN_ID, source_run_name="churn-first")
    second = server.add_run()
    rerun = make_template_run(template, developer, zenml_run_id=second, state="failed")
    third = make_template_run(template, developer, continues=rerun, taken_over=["load_customers"])
    page = run_page(looks)
    assert f'href="{url("run_detail", tenant, second)}">nightly re-run 1</a>' in page
    assert f'href="{third.get_absolute_url()}">nightly re-run 2</a>' in page
    page = looks("run_detail", second).content.decode()
    repeats = re.search(r'Repeats <a href="([^"]*)"> ?churn-first', " ".join(page.split()))
    assert repeats[1] == url("run_detail", tenant, RUN_ID)
    assert f'Continued as <a href="{third.get_absolute_url()}">re-run 2</a>' in " ".join(page.split())
    number = template.code.number
    assert f'href="{template.get_absolute_url()}?code={number}#code-{number}">Code v{number}</a>' in page


def test_an_operator_stops_their_own_runs_alone(tenant, server, org, as_user, developer):
    server.half_way()
    operator = make_member(org)
    make_grant(tenant, operator, "operator")
    made = make_template_run(make_template(tenant), developer, zenml_run_id=RUN_ID, state="running")
    page = as_user(operator).get(url("run_detail", tenant, RUN_ID)).content.decode()
    assert f"/{made.number}/cancel/" not in page
    TemplateRun.objects.update(created_by=operator)
    page = as_user(operator).get(url("run_detail", tenant, RUN_ID)).content.decode()
    assert f"/{made.number}/cancel/" in page


def test_viewer_cannot_stop(tenant, server, org, as_user):
    server.half_way()
    make_template_run(make_template(tenant), zenml_run_id=RUN_ID, state="running")
    viewer = make_member(org)
    make_grant(tenant, viewer, "viewer")
    assert "/cancel/" not in as_user(viewer).get(url("run_detail", tenant, RUN_ID)).content.decode()


# -- artifacts


def test_artifacts_are_listed_by_step_and_opened(looks, server):
    page = run_page(looks, view="artifacts", step="build_features")
    assert "Saved by build_features" in page
    assert "Read by build_features" in page
    assert re.search(r"from load_customers|From load_customers", page)
    assert "Output of <code>build_features</code>" in page
    assert "2.0\xa0KB" in page
    assert "step_logs" not in server.calls


def test_an_artifact_of_another_run_leads_to_its_page(looks, server, tenant):
    other = server.add_run(name="nightly 7")
    artifact = churn("steps")["items"][0]["resources"]["outputs"]["customers"][0]["id"]
    server.artifact_answers[artifact]["resources"]["producer_pipeline_run_id"] = str(other)
    page = run_page(looks, view="artifacts", step="build_features", artifact=artifact)
    assert "Input of <code>build_features</code>" in page
    assert f'href="{url("run_detail", tenant, other)}?view=artifacts"' in page


def test_a_run_names_its_model_version(looks, server):
    linked = server.run_answers[str(RUN_ID)]["resources"]
    linked["model_version"] = {"name": "3", "body": {"model": {"name": "churn"}}}
    assert "Model churn 3" in run_page(looks, view="artifacts")


def test_a_run_without_artifacts_says_so(looks, server):
    server.step_answers[str(RUN_ID)]["items"] = []
    assert "No artifacts" in run_page(looks, view="artifacts")


def test_artifacts_of_a_run_that_goes_on_are_not_taken_away_while_somebody_reads(looks, server):
    server.half_way()
    page = run_page(looks, view="artifacts")
    assert "every 2s" not in page
    assert "The run goes on." in page


# -- metadata

KINDS = {
    "note": "a <b>text</b>",
    "good": True,
    "where": "https://example.org/report",
    "stored": "gs://bucket/file",
    "list": [1, "b", False],
    "deep": {"folder": {"leaf": 0.25}},
    "essay": "word " * 100,
}


def test_metadata_of_all_kinds_is_shown(looks, server):
    server.step_answers[str(RUN_ID)]["items"][0]["metadata"]["run_metadata"] = KINDS
    page = run_page(looks, view="metrics")
    assert "a &lt;b&gt;text" in page
    assert '<a href="https://example.org/report" rel="noopener noreferrer nofollow">' in page
    assert "gs://bucket/file" in page
    assert 'href="gs:' not in page
    assert "1, b, false" in page
    assert "<code>leaf</code>" in page
    assert '<details class="long">' in page


def test_metadata_of_the_run_and_of_an_artifact_are_shown(looks, server):
    server.run_answers[str(RUN_ID)]["metadata"]["run_metadata"] = {"reason": "nightly"}
    assert "nightly" in run_page(looks, view="metrics")
    for answer in server.artifact_answers.values():
        answer["metadata"]["run_metadata"] = KINDS
    page = run_page(looks, view="artifacts")
    assert "<code>leaf</code>" in page
    assert "nightly" not in page


# -- find a step


def test_find_goes_from_match_to_match_and_round(looks, server, tenant):
    server.wide(["completed"] * 20)
    page = url("run_detail", tenant, RUN_ID)

    def next_of(step, text):
        return looks("run_detail", RUN_ID, find=text, step=step, graph="all").url

    assert next_of("make_folds", "FOLD_1") == f"{page}?step=train_fold_10&found=FOLD_1&graph=all"
    assert next_of("train_fold_19", "fold_1") == f"{page}?step=train_fold_10&found=fold_1&graph=all"
    assert next_of("report", "<nothing>") == f"{page}?step=report&found=%3Cnothing%3E&graph=all"
    shown = looks("run_detail", RUN_ID, step="report", found="<nothing>").content.decode()
    assert "No match" in shown and "&lt;nothing&gt;" in shown and "<nothing>" not in shown
    assert "10 matches" in looks("run_detail", RUN_ID, step="train_fold_10", found="fold_1").content.decode()


def test_few_steps_need_no_field_to_find_one(looks, server):
    assert 'name="find"' not in looks("run_detail", RUN_ID).content.decode()
    server.wide(["completed"] * 20)
    assert 'name="find"' in looks("run_detail", RUN_ID).content.decode()


def test_failed_runs_are_one_click_away_and_back(looks, server):
    here = looks("runs", q="churn", page="2").content.decode()
    assert 'href="?q=churn&amp;status=failed"' in here
    there = looks("runs", q="churn", status="failed").content.decode()
    assert 'href="?q=churn" aria-current="true"' in there
