import csv
import io

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from factories import make_grant, make_member, make_org, make_template, make_tenant

from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.models import TemplateRun
from tenants.usage.models import Feature, Quota
from tests.tenants.control_plane.conftest import Caller, server_token
from tests.tenants.runs.fakes import churn

from .conftest import created, deleted, limit


@pytest.fixture
def pages(org, tenant):
    return {"org": f"/o/{org.slug}/usage/", "tenant": f"/o/{org.slug}/t/forecast/usage/"}


def test_only_admins_see_usage(as_user, org, tenant, pages, editor, member, outsider):
    make_grant(tenant, editor, "admin")
    make_grant(tenant, member, "developer")
    answers = {
        user: [as_user(user).get(page).status_code for page in pages.values()]
        for user in (editor, member, outsider)
    }
    assert answers == {editor: [403, 200], member: [403, 403], outsider: [404, 404]}


def test_limits_of_the_organization_are_the_superusers_business(as_user, org, pages, owner, superuser):
    path = f"{pages['org']}limits/"
    for method in ("get", "post"):
        response = getattr(as_user(owner), method)(path, {"pipeline": "5"})
        assert response.status_code == 403
        assert "Only whoever runs ZenPro" in response.content.decode()
    assert not Quota.objects.exists()
    as_user(superuser).post(path, {"pipeline": "5", "model": "0"})
    assert dict(Quota.objects.values_list("feature", "limit")) == {"pipeline": 5, "model": 0}
    assert path not in as_user(owner).get(pages["org"]).content.decode()
    assert path in as_user(superuser).get(pages["org"]).content.decode()


def test_limits_of_a_tenant_are_the_organization_admins_business(as_user, org, tenant, pages, owner, member):
    make_grant(tenant, member, "admin")
    limit(org, Feature.RUN, 10)
    path = f"{pages['tenant']}limits/"
    assert as_user(member).post(path, {"pipeline_run": "5"}).status_code == 403
    response = as_user(owner).post(path, {"pipeline_run": "11"})
    assert response.status_code == 422
    assert not tenant.quotas.exists()
    assert as_user(owner).post(path, {"pipeline_run": "10"}).status_code == 302
    assert tenant.quotas.get().limit == 10
    as_user(owner).post(path, {"pipeline_run": ""})
    assert not tenant.quotas.exists()


def test_nothing_yet(as_user, owner, pages):
    for page in pages.values():
        assert "No usage yet" in as_user(owner).get(page).content.decode()


def test_a_bar_for_what_is_limited(as_user, org, tenant, owner, pages):
    limit(org, Feature.PIPELINE, 10)
    limit(org, Feature.MODEL, 1, tenant)
    created(tenant, "pipeline", "a", "b", "c")
    created(make_tenant(org), "pipeline", "d")
    created(tenant, "model", "m")
    deleted(tenant, "pipeline", "c")
    report = as_user(owner).get(pages["tenant"]).context["report"]
    rows = {row.feature: row for row in report.rows}
    assert (rows["pipeline"].bar.used, rows["pipeline"].bar.limit) == (2, None)
    assert (rows["pipeline"].outer.used, rows["pipeline"].outer.limit) == (3, 10)
    assert rows["model"].bar.state == "reached"
    assert [(cell.created, cell.deleted) for cell in rows["pipeline"].cells] == [(3, 1)] + [(0, 0)] * 5
    whole = {row.feature: row for row in as_user(owner).get(pages["org"]).context["report"].rows}
    assert (whole["pipeline"].bar.used, whole["pipeline"].bar.limit) == (3, 10)


def test_as_many_statements_for_three_tenants_as_for_one(as_user, org, tenant, owner, pages):
    def statements():
        with CaptureQueriesContext(connection) as asked:
            as_user(owner).get(pages["org"])
        return len(asked)

    statements()
    one = statements()
    for name in ("b", "c"):
        created(make_tenant(org, name), "model", "m")
    assert statements() == one


def test_csv(as_user, org, tenant, owner, pages):
    other = make_tenant(org, name="=HYPERLINK(1)")
    created(other, "model", "a")
    created(make_tenant(make_org()), "model", "b")
    created(tenant, "pipeline_run", "a", "b", times=2)
    response = as_user(owner).get(f"{pages['org']}csv/")
    rows = list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode())))
    month = rows[0]["month"]
    assert sorted((row["tenant"], row["feature"], row["created"], row["deleted"]) for row in rows) == [
        ("'=HYPERLINK(1)", "model", "1", "0"),
        ("forecast", "pipeline_run", "2", "0"),
    ]
    assert {row["month"] for row in rows} == {month}
    mine = as_user(owner).get(f"{pages['tenant']}csv/")
    assert b"".join(mine.streaming_content).decode().splitlines() == [
        "month,tenant,feature,created,deleted",
        f"{month},forecast,pipeline_run,2,0",
    ]


def test_a_rerun_is_refused_at_its_form(as_user, org, tenant):
    snapshot = churn("snapshot")
    template = make_template(tenant, snapshot=snapshot, default_configuration=default_configuration(snapshot))
    person = make_member(org)
    make_grant(tenant, person, "operator")
    limit(org, Feature.TEMPLATE_RUN, 0, tenant)
    response = as_user(person).post(f"{template.get_absolute_url()}run/", {"do": "run"})
    assert response.status_code == 422
    assert "forecast has reached its limit of 0 template runs this month" in response.content.decode()
    assert not TemplateRun.objects.exists()


def test_the_server_gets_402_and_a_sentence(org, tenant, client):
    limit(org, Feature.RUN, 1, tenant)
    server, path = Caller(client, server_token(tenant)), f"/organizations/{org.pk}/entitlement/pipeline_run"
    assert server("GET", path).status_code == 200
    created(tenant, "pipeline_run", "a", times=2)
    response = server("GET", path)
    assert response.status_code == 402
    assert response.json()["detail"] == [
        "SubscriptionUpgradeRequiredError",
        "forecast has reached its limit of 1 pipeline run this month. An Admin of Acme AI can raise it.",
    ]
    assert server("GET", path.replace("pipeline_run", "schedule")).status_code == 200
