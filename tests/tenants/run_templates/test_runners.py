"""Who may run a template: a narrowing of those with the right, by role, team or name."""

from uuid import uuid4

import pytest
from django.urls import reverse
from factories import (
    make_grant,
    make_key,
    make_member,
    make_org,
    make_team,
    make_template,
    make_template_run,
    make_tenant,
    tenant_role,
)

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates import actions
from tenants.run_templates.access import may_run
from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.document.field_rules import FieldRule, RuleKind
from tenants.run_templates.models import TemplateRun
from tenants.run_templates.origin import doors_of, repeatable
from tenants.run_templates.rules import runners_in_words, set_rules, set_runners
from tests.tenants.runs.fakes import churn
from zenpro_site.common.refusals import Refused

SNAPSHOT = churn("snapshot")
RIGHTS = frozenset({TenantPermission.TEMPLATE_RUN})


@pytest.fixture
def template(tenant):
    default = default_configuration(SNAPSHOT)
    return make_template(tenant, "nightly", snapshot=SNAPSHOT, default_configuration=default)


@pytest.fixture
def operator(org, tenant):
    person = make_member(org, "member", name="Olga Operator")
    make_grant(tenant, person, "operator")
    return person


@pytest.fixture
def admin(org, tenant):
    person = make_member(org, "member", name="Ada Admin")
    make_grant(tenant, person, "admin")
    return person


def narrow(template, *runners, by):
    return set_runners(template=template, is_narrowed=True, runners=runners, by=Actor(by))


def url(name, template) -> str:
    return reverse(
        f"run_templates:{name}", args=[template.tenant.organization.slug, template.tenant.slug, template.pk]
    )


# -- refusals


def test_whoever_is_no_runner_is_refused_by_every_way(template, operator, admin, as_user, client):
    make_template_run(template, operator, state="completed")
    narrow(template, admin.membership, by=admin)
    page = as_user(operator)
    assert page.get(url("run", template)).status_code == 403
    assert page.post(url("run", template), {"do": "run"}).status_code == 403
    base = f"/api/v1/organizations/{template.tenant.organization.slug}/tenants/{template.tenant.slug}"
    key = make_key(operator).secret
    answer = client.post(
        f"{base}/templates/{template.pk}/runs",
        {"configuration": {}},
        content_type="application/json",
        headers={"Authorization": f"Bearer {key}"},
    )
    assert (answer.status_code, "Only some people may run nightly" in answer.json()["detail"]) == (403, True)
    with pytest.raises(Refused, match="Only some people"):
        actions.queue_run(template=template, configuration={}, by=Actor(operator))
    assert TemplateRun.objects.count() == 1
    assert AuditEvent.objects.filter(action="access.refused", actor=operator).count() == 2
    shown = page.get(template.get_absolute_url()).content.decode()
    assert url("run", template) not in shown


def test_a_runner_needs_the_right_all_the_same(template, org, tenant, admin, as_user):
    viewer = make_member(org, "member")
    make_grant(tenant, viewer, "viewer")
    narrow(template, viewer.membership, by=admin)
    assert not may_run(viewer, template, frozenset())
    assert as_user(viewer).post(url("run", template), {"do": "run"}).status_code == 403
    assert not TemplateRun.objects.exists()


def test_only_who_may_edit_it_says_who_runs_it(template, operator, as_user):
    data = {"who": "some", "roles": [tenant_role(template.tenant.organization, "operator").pk]}
    assert as_user(operator).post(url("runners", template), data).status_code == 403
    template.refresh_from_db()
    assert not template.is_narrowed


def test_nothing_of_another_organization_and_not_no_one(template, admin):
    for runners in ([make_team(make_org("Elsewhere"))], []):
        with pytest.raises(Refused):
            narrow(template, *runners, by=admin)
    template.refresh_from_db()
    assert (template.is_narrowed, template.runners.count()) == (False, 0)


# -- who it is


def test_roles_teams_and_people_may(template, org, tenant, operator, admin):
    team = make_team(org)
    narrow(template, team, by=admin)
    assert not may_run(operator, template, RIGHTS)
    team.user_set.add(operator)
    assert may_run(operator, template, RIGHTS)
    narrow(template, tenant_role(org, "admin"), by=admin)
    assert (may_run(admin, template, RIGHTS), may_run(operator, template, RIGHTS)) == (True, False)
    make_grant(tenant, team, "admin")
    assert may_run(operator, template, RIGHTS)
    narrow(template, operator.membership, by=admin)
    assert (may_run(admin, template, RIGHTS), may_run(operator, template, RIGHTS)) == (False, True)


def test_a_role_on_another_tenant_does_not_count(template, org, operator, admin):
    elsewhere = make_tenant(org)
    make_grant(elsewhere, operator, "developer")
    narrow(template, tenant_role(org, "developer"), by=admin)
    assert not may_run(operator, template, RIGHTS)
    assert may_run(operator, make_template(elsewhere), RIGHTS)


def test_a_template_whose_runners_are_gone_is_open_to_no_one(template, org, operator, admin):
    team = make_team(org, "night shift", members=[operator])
    narrow(template, team, by=admin)
    team.delete()
    assert not may_run(operator, template, RIGHTS)
    assert runners_in_words(template) == "no one"


def test_superusers_are_not_narrowed(template, operator, admin):
    narrow(template, admin.membership, by=admin)
    operator.is_superuser = True
    assert may_run(operator, template, RIGHTS)


# -- the page


def test_the_page_sets_them_and_leaves_rows(template, org, admin, operator, as_user):
    client, page = as_user(admin), url("runners", template)
    role, team = tenant_role(org, "operator"), make_team(org, "night shift")
    data = {"who": "some", "roles": [role.pk], "holder": f"team:{team.uuid}"}
    assert client.post(page, data).status_code == 302
    data |= {"holder": f"person:{operator.membership.pk}", "kept": [template.runners.get(team=team).pk]}
    assert client.post(page, data).status_code == 302
    template.refresh_from_db()
    assert runners_in_words(template) == "role Operator, team night shift, Olga Operator"
    assert client.post(page, {"who": "some"}).status_code == 422
    assert client.post(page, {"who": "everyone"}).status_code == 302
    rows = AuditEvent.objects.filter(action="template.runners_changed").order_by("pk")
    assert [row.after["who"] for row in rows] == [
        "role Operator, team night shift",
        "role Operator, team night shift, Olga Operator",
        "everyone with the right to run templates",
    ]


# -- what no list shows is no way around the rules of its pipeline's templates


@pytest.fixture
def developer(org, tenant):
    person = make_member(org, "member", name="Dev Developer")
    make_grant(tenant, person, "developer")
    return person


@pytest.fixture
def way_around(template):
    """What the run that the template was made of needs to run again: somebody has clicked there once."""
    facts = {"snapshot": SNAPSHOT, "default_configuration": template.default_configuration}
    facts |= {
        "pipeline_name": template.pipeline_name,
        "project_id": template.project_id,
        "code": template.code,
    }
    return make_template(template.tenant, "its run", is_listed=False, **facts)


def lock_a_value(template, admin):
    rule = FieldRule("steps.train.parameters.rounds", RuleKind.LOCKED)
    set_rules(template=template, rules=[rule], by=Actor(admin))


@pytest.fixture(params=["a rule for a value", "people who may run it"])
def guarded(request, template, admin):
    if request.param == "people who may run it":
        narrow(template, admin.membership, by=admin)
    else:
        lock_a_value(template, admin)
    return template


def test_it_is_open_as_long_as_there_are_no_rules(way_around, operator):
    assert may_run(operator, way_around, RIGHTS)
    assert actions.queue_run(template=way_around, configuration={}, by=Actor(operator)).pk


def test_rules_close_it_to_those_who_only_run_templates(guarded, way_around, operator, developer):
    assert not may_run(operator, way_around, RIGHTS)
    assert may_run(developer, way_around, RIGHTS)
    with pytest.raises(Refused, match="template with rules, nightly"):
        actions.queue_run(template=way_around, configuration={}, by=Actor(operator))
    assert not TemplateRun.objects.exists()
    assert actions.queue_run(template=way_around, configuration={}, by=Actor(developer)).pk


def test_neither_page_nor_list_offers_it(guarded, way_around, operator, developer, as_user):
    run, tenant = way_around.source_run_id, way_around.tenant
    assert repeatable(tenant, [run], RIGHTS) == set()
    assert not doors_of(tenant, run, None, operator, RIGHTS).can_run
    rights = RIGHTS | {TenantPermission.TEMPLATE_CREATE}
    assert repeatable(tenant, [run], rights) == {run}
    assert doors_of(tenant, run, None, developer, rights).can_run
    again = reverse("run_templates:again", args=[tenant.organization.slug, tenant.slug, run])
    refused = as_user(operator).post(again, {"do": "run"})
    assert refused.status_code == 403
    assert "nightly" in refused.content.decode()
    assert as_user(operator).get(url("run", way_around)).status_code == 403
    assert not TemplateRun.objects.exists()


def test_runs_of_it_are_closed_as_well(guarded, way_around, operator):
    made = make_template_run(way_around, state="completed", zenml_run_id=uuid4())
    assert repeatable(way_around.tenant, [made.zenml_run_id], RIGHTS) == set()
    assert not doors_of(way_around.tenant, made.zenml_run_id, made, operator, RIGHTS).can_run


def test_rules_of_another_pipeline_do_not_close_it(guarded, way_around, operator):
    guarded.pipeline_name = "another"
    guarded.save()
    assert may_run(operator, way_around, RIGHTS)
