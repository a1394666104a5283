"""The page of a comparison, its file, and what a column can become."""

import csv
import re
from io import StringIO
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.urls import reverse
from factories import make_code, make_grant, make_member, make_template, make_template_run, make_tenant

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.hosting.base import TenantRefused, TenantUnreachable
from tenants.run_templates import actions
from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.document.drafts import examined, like
from tenants.run_templates.document.parsed import Document
from tenants.run_templates.models import TemplateRun
from tenants.run_templates.pages.compare_page import CompareChoice, ids_of
from tenants.runs.run_readings import NONE_BEFORE, NOT_THERE, PATIENCE, read_runs
from tests.tenants.runs.fakes import RUN_ID, churn

pytestmark = pytest.mark.any_database

SNAPSHOT = churn("snapshot")
ROUNDS = "steps.train.parameters.rounds"
HTMX = {"HX-Request": "true", "HX-Target": "comparison"}


def page_of(tenant, name="compare"):
    return reverse(f"tenants:{name}", args=[tenant.organization.slug, tenant.slug])


def url(name, template, *more):
    tenant = template.tenant
    return reverse(f"run_templates:{name}", args=[tenant.organization.slug, tenant.slug, template.pk, *more])


def other_run(server, rounds=300, auc=0.9, **body):
    """One more run of the pipeline, with another number of rounds and another AUC."""
    made = server.add_run(index=2, **body)
    snapshot = churn("snapshot")
    snapshot["id"] = str(uuid4())
    step = snapshot["metadata"]["step_configurations"]["train"]
    for key in ("config", "step_config_overrides"):
        step[key]["parameters"]["rounds"] = rounds
    step["spec"]["parameter_spec"]["properties"]["rounds"]["default"] = rounds
    server.snapshots[snapshot["id"]] = snapshot
    server.run_answers[str(made)]["resources"]["snapshot"]["id"] = snapshot["id"]
    for one in server.step_answers[str(made)]["items"]:
        if one["name"] == "train":
            one["metadata"]["config"]["parameters"]["rounds"] = rounds
        if one["name"] == "evaluate":
            one["metadata"]["run_metadata"]["auc"] = auc
    return made


@pytest.fixture
def developer(org, tenant):
    person = make_member(org, "member", name="Dora Developer")
    make_grant(tenant, person, "developer")
    return person


@pytest.fixture
def look(tenant, developer, as_user, server):
    """look(id, id, q=…): the page of the comparison of these runs."""
    browser = as_user(developer)

    def get(*ids, headers=None, page="compare", **query):
        pairs = [("run", one) for one in ids] + [*query.items()]
        return browser.get(f"{page_of(tenant, page)}?{urlencode(pairs)}", headers=headers)

    return get


@pytest.fixture
def template(tenant):
    default = default_configuration(SNAPSHOT)
    return make_template(
        tenant, "nightly", pipeline_name="churn", snapshot=SNAPSHOT, default_configuration=default
    )


# -- who and what


def test_strangers_and_people_without_a_role_find_nothing(tenant, outsider, member, client, server):
    for person in (outsider, member):
        client.force_login(person)
        for page in ("compare", "compare_csv"):
            assert client.get(f"{page_of(tenant, page)}?run={RUN_ID}&run={RUN_ID}").status_code == 404
    assert server.calls == []


@pytest.mark.parametrize(
    "count, said", [(0, "Choose 2 to 6 runs"), (1, "Add at least one more run"), (7, "At most 6")]
)
def test_too_few_and_too_many_are_said_with_the_form(look, server, count, said):
    ids = [uuid4() for _ in range(count)]
    answer = look(*ids)
    page = answer.content.decode()
    assert answer.status_code == (400 if count > 6 else 200)
    assert said in page
    assert server.calls == (["run"] if count == 1 else [])
    assert page.count("Remove<span") == count
    assert ("Add run" in page) is (count < 6)


def test_beside_one_run_those_of_its_pipeline_are_offered(look, server):
    made = server.add_run(index=2)
    answer = look(RUN_ID)
    assert [run.id for run in answer.context["others"]] == [made]
    assert server.calls == ["run", "runs"]
    server.error = TenantUnreachable("It is away.")
    assert "Add at least one more run" in look(RUN_ID).content.decode()


def test_what_is_no_run_is_named_and_not_believed(look, server):
    answer = look(RUN_ID, "<b>x</b>")
    assert answer.status_code == 400
    assert "“&lt;b&gt;x&lt;/b&gt;” is neither the ID nor the address of a run." in answer.content.decode()
    assert look(RUN_ID, add="nonsense").status_code == 400
    assert server.calls == []


def test_a_run_named_twice_is_one(look):
    assert "Add at least one more run" in look(RUN_ID, RUN_ID).content.decode()


def test_adding_a_run_leads_to_a_plain_address(look, tenant):
    new = uuid4()
    answer = look(RUN_ID, add=f"http://x/runs/{new}/", rows="all")
    assert answer.status_code == 302
    assert answer.url == f"{page_of(tenant)}?run={RUN_ID}&run={new}&rows=all"


# -- what is shown


def test_two_runs_and_what_differs(look, server):
    made = other_run(server)
    answer = look(RUN_ID, made)
    page = answer.content.decode()
    rows = {row.row.name: row.row for group in answer.context["groups"] for row in group.rows}
    assert {"rounds", "auc"} <= rows.keys()
    assert "customers" not in rows
    assert ["120", "300"] == [cell.text for cell in rows["rounds"].cells]
    assert "equal rows hidden" in page and "+0.0602" in page and "best" in page
    assert answer.context["comparison"].runs[0].id == RUN_ID


def test_another_version_of_the_code_is_a_difference(look, server, template, tenant, developer):
    made = other_run(server)
    first = make_template_run(template, developer, zenml_run_id=RUN_ID)
    newer = make_code(tenant, "churn")
    make_template_run(template, developer, zenml_run_id=made, code=newer)
    answer = look(RUN_ID, made)
    rows = {row.row.name: row.row for group in answer.context["groups"] for row in group.rows}
    texts = [cell.text for cell in rows["code version"].cells]
    assert texts == [f"v{first.code.number}", f"v{newer.number}"]
    assert f"{template.get_absolute_url()}?code={newer.number}#" in answer.content.decode()
    rows = [*csv.DictReader(StringIO(look(RUN_ID, made, page="compare_csv").getvalue().decode()))]
    assert "code version" in {one["name"] for one in rows}


def test_all_rows_search_and_folding_are_in_the_address(look, server):
    made = other_run(server)
    everything = look(RUN_ID, made, rows="all").context
    assert "customers" in {row.row.name for group in everything["groups"] for row in group.rows}
    found = look(RUN_ID, made, q="ROUND").context["groups"]
    assert [row.row.name for group in found for row in group.rows] == ["rounds"]
    folded = look(RUN_ID, made, turn="parameters").context["groups"][0]
    assert (folded.key, folded.folded, folded.rows) == ("parameters", True, [])
    assert "No rows match" in look(RUN_ID, made, q="nowhere").content.decode()


def test_the_baseline_is_the_first_and_can_be_another(look, server):
    made = other_run(server)
    columns = look(made, RUN_ID).context["columns"]
    assert [column.run.id for column in columns] == [made, RUN_ID]
    assert columns[1].base_query == f"run={RUN_ID}&run={made}"
    assert columns[1].other_query == f"run={made}"


def test_equal_runs_do_not_differ(look, server):
    page = look(RUN_ID, server.add_run(name=churn("run")["name"])).content.decode()
    assert "These runs do not differ" in page
    assert not re.search("<a [^>]*></a>", page), "A button without words."


def test_the_choice_of_what_is_better_is_in_the_address(look, server):
    made = other_run(server)
    answer = look(RUN_ID, made, lower="auc")
    row = next(row.row for group in answer.context["groups"] for row in group.rows if row.row.name == "auc")
    assert (row.direction, [cell.best for cell in row.cells]) == ("lower", [True, False])
    assert "lower=auc" in answer.context["columns"][1].base_query


def test_htmx_gets_the_comparison_alone(look, server):
    page = look(RUN_ID, other_run(server), headers=HTMX).content.decode()
    assert page.lstrip().startswith('<div id="comparison">')


def test_a_run_that_is_gone_is_said_and_the_others_are_shown(look, server):
    made, gone = other_run(server), uuid4()
    answer = look(RUN_ID, gone, made)
    assert [column.run.id for column in answer.context["columns"]] == [RUN_ID, made]
    assert NOT_THERE.split(",")[0] in answer.content.decode()
    alone = look(RUN_ID, gone).content.decode()
    assert "There is nothing to compare" in alone and "Add run" in alone


def test_a_server_that_does_not_answer_is_a_sentence(look, server, tenant):
    server.error = TenantUnreachable("It is away.")
    assert f"{tenant.name} does not answer" in look(RUN_ID, uuid4()).content.decode()
    answer = look(RUN_ID, uuid4(), page="compare_csv")
    assert (answer.status_code, answer["Content-Type"]) == (503, "text/plain")


def test_the_form_offers_runs_of_the_pipeline(look, server):
    made, more = other_run(server), server.add_run(index=3)
    others = look(RUN_ID, made).context["others"]
    assert [run.id for run in others] == [more]


def test_a_run_is_compared_with_the_one_before_it(look, server, tenant):
    made = other_run(server)
    server.add_run(index=3)
    answer = look(made, **{"with": "previous"})
    assert answer.url == f"{page_of(tenant)}?run={RUN_ID}&run={made}"
    server.run_answers[str(made)]["resources"]["original_run"] = {"id": str(RUN_ID)}
    assert look(made, **{"with": "previous"}).url == answer.url


def test_a_run_that_is_not_among_the_newest_has_one_before_it_too(look, server, tenant):
    """However many came after it; of runs made in the same second the one with the number before."""
    made = [other_run(server, name=f"run {n}", created=f"2026-11-01T10:00:{n // 2:02}.5") for n in range(40)]
    for number, run_id in enumerate(made):
        server.run_answers[str(run_id)]["body"]["index"] = 10 + number
    server.run_answers = {str(one): server.run_answers[str(one)] for one in reversed(made)}  # newest first
    for place in (8, 9):
        answer = look(made[place], **{"with": "previous"})
        assert answer.url == f"{page_of(tenant)}?run={made[place - 1]}&run={made[place]}"
    assert server.filters[-1]["created"] == "lt:2026-11-01 10:00:05"
    assert server.calls == ["run", "runs"] * 2


def test_that_no_run_was_before_it_is_said(look, server):
    server.add_run(index=2, created="2026-11-27T10:00:00")
    answer = look(RUN_ID, **{"with": "previous"})
    assert answer.status_code == 200
    assert NONE_BEFORE in answer.content.decode()
    assert "Add run" in answer.content.decode()
    server.error = TenantUnreachable("It is away.")
    page = look(RUN_ID, **{"with": "previous"}).content.decode()
    assert "does not answer" in page
    assert NONE_BEFORE not in page


def test_the_page_of_a_run_leads_here(tenant, developer, as_user, server, template):
    run_page = reverse("tenants:run_detail", args=[tenant.organization.slug, tenant.slug, RUN_ID])
    link = f"{page_of(tenant)}?run={RUN_ID}&amp;with=previous"
    assert link in as_user(developer).get(run_page).content.decode()
    make_template_run(template, zenml_run_id=RUN_ID)
    link = f"{page_of(tenant)}?run={template.source_run_id}&amp;run={RUN_ID}"
    assert link in as_user(developer).get(run_page).content.decode()


# -- calls


def test_calls_are_few_and_bounded(look, server):
    """Run, steps, snapshot and artifacts of each, and the newest of the pipeline; one snapshot is asked for once."""
    made, each = other_run(server), ["run", "steps", "snapshot", "GET /artifact_versions"]
    look(RUN_ID, made)
    assert server.calls == [*each, *each, "runs"]
    server.calls.clear()
    look(RUN_ID, server.add_run())
    assert server.calls == [*each, "run", "steps", each[-1], "runs"]


def test_six_large_runs_take_thirty_seven_calls(look, server):
    ids = [other_run(server) for _ in range(6)]
    for run_id in ids:
        step = server.step_answers[str(run_id)]["items"][0]
        many = [{**step, "name": f"s{n}", "id": str(uuid4())} for n in range(400)]
        server.step_answers[str(run_id)]["items"] = many
    answer = look(*ids, rows="all")
    assert len(server.calls) == 37
    assert "Only the first 300 steps were read" in answer.content.decode()
    assert "do not fit here" in answer.content.decode()
    assert len(answer.content) < 3_000_000


def test_calls_end_when_there_is_no_time_left(server):
    times = iter([0.0, 0.0, PATIENCE + 1, PATIENCE + 1, PATIENCE + 1])
    read = read_runs(server, [RUN_ID, RUN_ID, RUN_ID], clock=lambda: next(times))
    assert len(read.found) == 1
    assert [gap.reason for gap in read.gaps] == ["The server does not answer in time."] * 2
    assert "runs" not in server.calls


def test_a_snapshot_that_may_not_be_read_leaves_what_the_steps_say(server, monkeypatch):
    made = other_run(server)

    def refuse(snapshot_id):
        raise TenantRefused(403, "No right.")

    monkeypatch.setattr(server, "snapshot", refuse)
    read = read_runs(server, [RUN_ID, made])
    assert [one.snapshot for one in read.found] == [{}, {}]
    assert read.gaps == []


def taking_over(server, *, hidden=False):
    """A run that took the step with the metrics over from the recorded one; its server does not hand them on."""
    made, step_id = server.add_run(index=2), str(uuid4())
    for step in server.step_answers[str(made)]["items"]:
        if step["name"] == "evaluate":
            step["metadata"] |= {
                "original_step_run_id": str(uuid4()) if hidden else step["id"],
                "run_metadata": {},
            }
            step["body"]["status"], step["id"] = "skipped", step_id
    return made


def test_what_was_taken_over_is_said_and_is_no_difference(look, server):
    made, each = taking_over(server), ["run", "steps", "snapshot", "GET /artifact_versions"]
    answer = look(RUN_ID, made)
    assert {group.key for group in answer.context["groups"]} == {"steps"}
    assert server.calls == [*each, "run", "steps", each[-1], "runs"]
    page = look(RUN_ID, made, q="evaluate auc", rows="all").content.decode()
    assert page.count(">0.8398<") == 2 and '<span class="tag">taken over</span>' in page
    assert 'class="differs"' not in page


def test_steps_that_were_taken_over_from_runs_beside_are_asked_for_once(look, server):
    made, more = taking_over(server), taking_over(server)
    groups = look(made, more, rows="all", q="auc").context["groups"]
    assert ["0.8398"] * 2 in [[cell.text for cell in row.row.cells] for group in groups for row in group.rows]
    assert server.calls.count("steps_by_ids") == 1
    lost = taking_over(server, hidden=True)
    assert "step was taken over" in look(made, lost, rows="all", q="auc").content.decode()


# -- file


def test_the_file_has_every_row_and_no_formula(look, server):
    made = other_run(server)
    steps = server.step_answers[str(made)]["items"]
    steps[0]["metadata"]["run_metadata"]["=HYPERLINK(1)"] = "=cmd|' /C calc'!A0"
    answer = look(RUN_ID, made, page="compare_csv")
    text = b"".join(answer.streaming_content).decode()
    rows = [*csv.reader(StringIO(text))]
    by_name = {row[2]: row for row in rows}
    assert rows[0][:4] == ["group", "step", "name", "differs"]
    assert by_name["rounds"] == ["Parameters", "train", "rounds", "yes", "120", "300", ""]
    assert by_name["auc"][3:] == ["yes", "0.8398", "0.9", "'+0.0602 +7.2 %"]
    assert by_name["customers"][3] == "no"
    assert by_name["'=HYPERLINK(1)"][4:6] == ["(not logged)", "'=cmd|' /C calc'!A0"]
    assert (
        answer["Content-Disposition"]
        == f'attachment; filename="compare-{answer.wsgi_request.tenant.slug}.csv"'
    )


def test_no_file_of_one_run_but_the_page_that_says_why(look, tenant):
    for ids in ([RUN_ID], [RUN_ID, uuid4()]):
        answer = look(*ids, page="compare_csv")
        assert answer.status_code == 302
        assert answer.url == f"{page_of(tenant)}?{urlencode([('run', one) for one in ids])}"


# -- what a column can become


def test_a_re_run_starts_from_its_number_and_another_run_from_its_values(look, server, template):
    made = other_run(server)
    rerun = make_template_run(template, zenml_run_id=made)
    columns = look(RUN_ID, made).context["columns"]
    assert [column.start_query for column in columns] == [f"like={RUN_ID}", f"from={rerun.number}"]
    assert [column.template for column in columns] == [template, template]


def test_who_may_not_run_gets_no_button(look, server, template, org, tenant, as_user):
    made, words = other_run(server), ("Run again with these values", "Make it the default", "Create template")
    viewer = make_member(org, "member")
    make_grant(tenant, viewer, "viewer")
    assert words[0] in look(RUN_ID, made).content.decode()
    page = as_user(viewer).get(f"{page_of(tenant)}?run={RUN_ID}&run={made}").content.decode()
    assert not any(word in page for word in words)
    template.delete()
    assert words[2] not in as_user(viewer).get(f"{page_of(tenant)}?run={RUN_ID}&run={made}").content.decode()


def test_a_run_without_a_template_has_the_same_door(look, server):
    page = look(RUN_ID, other_run(server)).content.decode()
    assert f"runs/{RUN_ID}/again/" in page and "Run again with these values" in page
    assert "templates/new/" not in page


def test_the_form_begins_with_the_values_of_any_run(server, developer, as_user, template):
    made = other_run(server)
    answer = as_user(developer).get(url("run", template), {"like": str(made)})
    assert [(change.path, change.after) for change in answer.context["editor"].changes] == [(ROUNDS, 300)]
    assert "With the values of" in answer.content.decode()
    assert as_user(developer).get(url("run", template), {"like": str(uuid4())}).status_code == 404
    assert as_user(developer).get(url("run", template), {"like": "x"}).status_code == 404
    server.error = TenantUnreachable("It is away.")
    page = as_user(developer).get(url("run", template), {"like": str(made)}).content.decode()
    assert "The values of that run can’t be read" in page


def test_values_the_template_does_not_know_are_named(template):
    snapshot = churn("snapshot")
    steps = snapshot["metadata"]["step_configurations"]
    train = steps["train"]
    for key in ("config", "step_config_overrides"):
        train[key]["parameters"]["depth"] = 3
    train["spec"]["parameter_spec"]["properties"]["depth"] = {"type": "integer", "default": 3}
    train["config"]["retry"] = {"max_retries": 2}
    draft = examined(like(Document.of(template), snapshot))
    assert draft.unknown == ["steps.train.parameters.depth"]
    assert draft.problems == []
    assert [change.path for change in draft.parsed.changes] == ["steps.train.retry"]


def test_what_the_run_did_not_set_is_not_set(template):
    template.default_configuration["steps"]["train"]["retry"] = {"max_retries": 2}
    template.default_configuration["model"] = {"name": "churn"}
    draft = examined(like(Document.of(template), SNAPSHOT))
    assert {change.path: change.after for change in draft.parsed.changes} == {
        "model": None,
        "steps.train.retry": None,
    }
    assert draft.problems == []


class TestDefault:
    def test_only_for_who_may_edit(self, server, template, org, tenant, as_user):
        operator = make_member(org, "member")
        make_grant(tenant, operator, "operator")
        address = f"{url('make_default', template)}?run={other_run(server)}"
        assert as_user(operator).get(address).status_code == 403
        assert as_user(operator).post(address).status_code == 403
        template.refresh_from_db()
        assert template.default_configuration == default_configuration(SNAPSHOT)

    def test_of_any_run_and_back(self, server, template, developer, as_user):
        template.created_by = developer
        template.save()
        address = f"{url('make_default', template)}?run={other_run(server)}"
        browser = as_user(developer)
        page = browser.get(address).content.decode()
        assert "Make these the default values of nightly?" in page and "300" in page
        assert browser.post(address).status_code == 302
        template.refresh_from_db()
        assert template.default_configuration["steps"]["train"]["parameters"]["rounds"] == 300
        event = AuditEvent.objects.get(action="template.default_changed")
        assert [change["path"] for change in event.after["changes"]] == [ROUNDS]
        undo = f"{url('make_default', template)}"
        assert f'action="{undo}"' in browser.get(url("detail", template)).content.decode()
        assert browser.post(undo, {"back": "1"}).status_code == 302
        template.refresh_from_db()
        assert template.default_configuration == default_configuration(SNAPSHOT)

    def test_of_a_re_run_without_how_it_continued_another(self, server, template, developer, as_user):
        template.created_by = developer
        template.save()
        made = uuid4()
        configuration = Document.of(template).copied()
        configuration["steps"]["train"]["parameters"]["rounds"] = 7
        configuration |= {"skip_successful_steps": True, "run_name": "once"}
        make_template_run(template, zenml_run_id=made, configuration=configuration)
        assert as_user(developer).post(f"{url('make_default', template)}?run={made}").status_code == 302
        assert server.calls == []
        template.refresh_from_db()
        expected = default_configuration(SNAPSHOT)
        expected["steps"]["train"]["parameters"]["rounds"] = 7
        assert template.default_configuration == expected

    def test_the_same_values_again_change_nothing(self, server, template, developer, as_user):
        template.created_by = developer
        template.save()
        address = f"{url('make_default', template)}?run={RUN_ID}"
        assert "default already" in as_user(developer).get(address).content.decode()
        assert as_user(developer).post(address).status_code == 422
        assert as_user(developer).get(f"{url('make_default', template)}?run={uuid4()}").status_code == 404
        assert not AuditEvent.objects.filter(action="template.default_changed").exists()

    def test_values_that_cannot_be_run_are_refused(self, template, developer):
        document = Document.of(template).with_values({"steps": {"train": {"parameters": {"rounds": 0}}}})
        with pytest.raises(actions.TemplateRefused):
            actions.make_default(template=template, document=document, by=Actor(developer))
        with pytest.raises(actions.TemplateRefused):
            actions.undo_default(template=template, by=Actor(developer))

    def test_a_run_that_gives_no_values_gets_the_new_default(self, template, developer):
        document = Document.of(template).with_values({"steps": {"train": {"parameters": {"rounds": 300}}}})
        actions.make_default(template=template, document=document, by=Actor(developer))
        template.refresh_from_db()
        run = actions.queue_run(template=template, configuration={}, by=Actor(developer))
        assert run.configuration["steps"]["train"]["parameters"]["rounds"] == 300
        assert run.changes == []
        partly = {"steps": {"train": {"parameters": {"k": 9}}}}
        assert Document.of(template).with_values(partly).by_path[ROUNDS] == 300
        queued = actions.queue_run(template=template, configuration=partly, by=Actor(developer))
        assert queued.configuration["steps"]["train"]["parameters"]["rounds"] == 300
        assert TemplateRun.objects.count() == 2


# -- the address


def test_ids_are_found_in_what_people_paste():
    one, two = uuid4(), uuid4()
    found = ids_of([f"https://x.test/o/a/t/{two}/runs/{one}/?x=1", str(two).upper(), "", "  "])
    assert found == ((one, two), ())
    assert ids_of(["no", "\x00"]) == ((), ("no", ""))
    assert len(ids_of([str(uuid4()) for _ in range(90)])[0]) == 20


@pytest.mark.parametrize(
    "rest",
    ["/?view=artifacts&artifact={other}", "/steps/{other}/log/", "/#{other}", "?x=/runs/{other}/", ""],
    ids=["query", "step", "anchor", "query-of-a-run", "plain"],
)
def test_of_the_address_of_a_run_it_is_the_run(rest):
    run = uuid4()
    address = f" https://x.test/o/acme/t/{uuid4()}/runs/{run}{rest.format(other=uuid4())}"
    assert ids_of([address]) == ((run,), ())


def test_an_id_in_a_query_alone_is_no_run():
    text = f"https://x.test/o/acme/t/production/artifacts/?artifact={uuid4()}"
    assert ids_of([text]) == ((), (text[:60],))


def test_an_address_comes_back_as_it_was(rf):
    one, two = uuid4(), uuid4()
    query = f"run={one}&run={two}&rows=all&q=a+b&turn=steps&higher=x&lower=y"
    assert CompareChoice.of(rf.get(f"/?{query}").GET).query() == query


def test_runs_of_another_tenant_are_not_there(look, server, org):
    """Only this tenant's server is asked; what it does not know is not there."""
    elsewhere = make_tenant(org, "other")
    make_template(elsewhere, pipeline_name="churn", snapshot=SNAPSHOT)
    columns = look(RUN_ID, other_run(server)).context["columns"]
    assert [column.template for column in columns] == [None, None]
