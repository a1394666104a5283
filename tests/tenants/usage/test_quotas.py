"""May there be one more? The one function that decides, at its boundaries and when many ask at once."""

import threading
from datetime import timedelta
from unittest.mock import Mock

import pytest
from django.db import close_old_connections, connection
from django.utils import timezone
from factories import make_member, make_org, make_template, make_template_run, make_tenant

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.hosting.base import TenantRefused
from tenants.run_templates import actions as templates
from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.engine.derive import DeriveFailed, derive
from tenants.run_templates.models import TemplateRun
from tenants.usage import actions
from tenants.usage.models import Feature, Quota, UsageEvent
from tenants.usage.quotas import refusal
from tests.tenants.runs.fakes import FakeTenantClient, churn
from zenpro_site.common.refusals import Refused

from .conftest import created, deleted, limit

SNAPSHOT = churn("snapshot")


def a_template(tenant, name=None):
    return make_template(
        tenant, name, snapshot=SNAPSHOT, default_configuration=default_configuration(SNAPSHOT)
    )


# -- refused


def test_at_the_limit_of_the_tenant(org, tenant):
    limit(org, Feature.PIPELINE, 2, tenant)
    created(tenant, "pipeline", "a")
    assert refusal(tenant, "pipeline") == ""
    created(tenant, "pipeline", "b")
    assert refusal(tenant, "pipeline") == (
        "forecast has reached its limit of 2 pipelines. An Admin of Acme AI can raise it."
    )
    assert refusal(tenant, "model") == ""
    assert refusal(make_tenant(org), "pipeline") == ""


def test_at_the_limit_of_the_organization_whatever_the_tenants_own_says(org, tenant):
    limit(org, Feature.MODEL, 1)
    limit(org, Feature.MODEL, 5, tenant)
    created(make_tenant(org), "model", "a")
    assert refusal(tenant, "model") == (
        "Acme AI has reached its limit of 1 model across all its tenants. Whoever runs ZenPro can raise it."
    )


def test_none_at_all(org, tenant):
    limit(org, Feature.RUN, 0, tenant)
    assert refusal(tenant, "pipeline_run").startswith(
        "forecast has reached its limit of 0 pipeline runs this month."
    )


# -- counting


def test_what_is_reported_twice_counts_once_and_deleting_makes_room(org, tenant):
    limit(org, Feature.PROJECT, 2, tenant)
    created(tenant, "project", "a", "b", times=2)
    assert refusal(tenant, "project")
    deleted(tenant, "project", "b", "b")
    assert refusal(tenant, "project") == ""


def test_deleting_what_nobody_counted_frees_nothing(org, tenant):
    limit(org, Feature.PIPELINE, 1, tenant)
    created(tenant, "pipeline", "a")
    deleted(tenant, "pipeline", "from before")
    assert refusal(tenant, "pipeline")


def test_runs_count_by_the_month_and_deleted_tenants_keep_none_but_runs(org, tenant):
    limit(org, Feature.RUN, 1)
    limit(org, Feature.MODEL, 1)
    gone = make_tenant(org)
    created(gone, "pipeline_run", "a", times=2)
    created(gone, "model", "a")
    gone.desired_state, gone.deleted_at = "deleted", timezone.now()
    gone.save()
    assert refusal(tenant, "model") == ""
    assert refusal(tenant, "pipeline_run")
    UsageEvent.objects.update(created_at=timezone.now() - timedelta(days=32))
    assert refusal(tenant, "pipeline_run") == ""


def test_a_run_that_took_the_last_place_may_begin(org, tenant):
    """Servers ask before they note a run, report it, and ask again when it begins."""
    limit(org, Feature.RUN, 1, tenant)
    assert refusal(tenant, "pipeline_run") == ""
    created(tenant, "pipeline_run", "a")
    assert refusal(tenant, "pipeline_run") == "", "The second question for the same run."
    created(tenant, "pipeline_run", "a")
    assert refusal(tenant, "pipeline_run"), "The next run."


def test_of_two_that_asked_at_the_same_moment_one_begins(org, tenant):
    limit(org, Feature.RUN, 1, tenant)
    assert [refusal(tenant, "pipeline_run") for _ in range(2)] == ["", ""]
    created(tenant, "pipeline_run", "a", "b")
    assert refusal(tenant, "pipeline_run") == ""
    created(tenant, "pipeline_run", "a")
    assert refusal(tenant, "pipeline_run"), "The other one is refused before it begins."


def test_a_run_that_is_never_reported_again_counts_after_an_hour(org, tenant):
    limit(org, Feature.RUN, 1, tenant)
    created(tenant, "pipeline_run", "scheduled")
    UsageEvent.objects.update(created_at=timezone.now() - timedelta(minutes=61))
    beginning_of_month = timezone.localtime().day == 1 and timezone.localtime().hour < 2
    assert refusal(tenant, "pipeline_run") or beginning_of_month


@pytest.mark.parametrize("feature", ["schedule", "made_up"])
def test_what_nobody_can_limit_is_free(tenant, feature, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert refusal(tenant, feature) == ""


def test_the_question_is_cheap(org, tenant, django_assert_num_queries):
    with django_assert_num_queries(1):
        refusal(tenant, "pipeline")
    limit(org, Feature.PIPELINE, 9)
    limit(org, Feature.PIPELINE, 3, tenant)
    created(tenant, "pipeline", "a")
    with django_assert_num_queries(2):
        refusal(tenant, "pipeline")


# -- setting limits


def test_a_tenant_gets_no_more_than_its_organization(org, tenant, owner):
    limit(org, Feature.MODEL, 5)
    before = AuditEvent.objects.count()
    with pytest.raises(actions.LimitRefused, match="The limit of Acme AI is 5.") as refused:
        actions.set_limits(organization=org, tenant=tenant, limits={"model": 6}, by=Actor(owner))
    assert refused.value.feature == "model"
    assert (Quota.objects.filter(tenant=tenant).count(), AuditEvent.objects.count()) == (0, before)
    actions.set_limits(
        organization=org, tenant=tenant, limits={"model": 5, "pipeline": None}, by=Actor(owner)
    )
    row = AuditEvent.objects.first()
    assert (row.action, row.before, row.after) == ("quota.changed", {"model": "no limit"}, {"model": 5})
    actions.set_limits(organization=org, tenant=tenant, limits={"model": 5}, by=Actor(owner))
    assert AuditEvent.objects.count() == before + 1
    actions.set_limits(organization=org, tenant=tenant, limits={"model": None}, by=Actor(owner))
    assert not Quota.objects.filter(tenant=tenant).exists()


# -- re-runs


def test_a_rerun_beyond_the_limit_is_not_made(org, tenant, owner):
    limit(org, Feature.TEMPLATE_RUN, 1)
    template, rows = a_template(tenant), AuditEvent.objects.count
    templates.queue_run(template=template, configuration={}, by=Actor(owner))
    before = rows()
    with pytest.raises(
        templates.LimitReached, match="Acme AI has reached its limit of 1 template run this month"
    ) as refused:
        templates.queue_run(template=template, configuration={}, by=Actor(owner))
    assert refused.value.status == 402
    assert (TemplateRun.objects.count(), rows()) == (1, before)
    assert UsageEvent.objects.filter(feature="template_run").count() == 1


def test_a_rerun_that_waits_takes_a_run(org, tenant, owner):
    limit(org, Feature.RUN, 2, tenant)
    template = a_template(tenant)
    created(tenant, "pipeline_run", "a")
    run = templates.queue_run(template=template, configuration={}, by=Actor(owner))
    with pytest.raises(Refused, match="forecast has reached its limit of 2 pipeline runs this month"):
        templates.queue_run(template=template, configuration={}, by=Actor(owner))
    assert refusal(tenant, "pipeline_run") == "", "Its own question, when it is made in the tenant."
    TemplateRun.objects.filter(pk=run.pk).update(state="failed")
    templates.queue_run(template=template, configuration={}, by=Actor(owner))


def test_a_rerun_whose_place_was_taken_meanwhile_ends_with_the_sentence(org, tenant, owner):
    run = templates.queue_run(template=a_template(tenant), configuration={}, by=Actor(owner))
    limit(org, Feature.RUN, 0, tenant)
    client = FakeTenantClient()
    client.run_answers = {}
    client.create_run = Mock(side_effect=TenantRefused(402, "Your subscription reached its limit."))
    with pytest.raises(DeriveFailed, match="forecast has reached its limit of 0 pipeline runs this month"):
        derive(run, client)


def test_reruns_of_other_organizations_do_not_count(org, tenant, owner):
    other = make_org("Elsewhere")
    make_template_run(a_template(make_tenant(other)), person=make_member(other))
    limit(org, Feature.RUN, 1)
    assert templates.queue_run(template=a_template(tenant), configuration={}, by=Actor(owner))


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_as_many_are_queued_as_the_limit_allows(org, tenant, owner):
    """Over two templates, whose own locks do not see each other."""
    limit(org, Feature.TEMPLATE_RUN, 2)
    each = [a_template(tenant), a_template(tenant)] * 3
    start, refused = threading.Barrier(len(each)), []

    def run(template):
        start.wait()
        try:
            templates.queue_run(template=template, configuration={}, by=Actor(owner))
        except Refused as error:
            refused.append(str(error))
        finally:
            close_old_connections()
            connection.close()

    threads = [threading.Thread(target=run, args=[template]) for template in each]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (TemplateRun.objects.count(), len(refused)) == (2, 4), refused
