"""From the end of a run to the other side: written once, sent until it is taken, asked for rights in between."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone
from factories import make_grant, make_template_run

from orgs.users.models import Actor
from tenants.agent import run_rows
from tenants.agent.run_endings import End
from tenants.run_templates.models import RunTemplate, TemplateRun
from tenants.webhooks import actions, outbox
from tenants.webhooks.models import KEEP, LEASE, PAUSES, Webhook, WebhookDelivery
from tests import losing

from ..agent.fake_runner import FakeRunner


def ends(run, state="completed", reason=""):
    run_rows.finish(run_rows.load(run.pk), End(state, reason), FakeRunner())


def pass_time(by):
    """As if so much time had passed for what waits."""
    for one in WebhookDelivery.objects.all():
        one.next_try_at -= by
        one.save()


def outcomes():
    return list(WebhookDelivery.objects.values_list("state", "status", "attempts"))


# -- written with the end


def test_the_other_side_hears_what_ended_and_none_of_its_values(run, hook, receiver, member):
    started = timezone.now() - timedelta(seconds=90)
    TemplateRun.objects.filter(pk=run.pk).update(started_at=started)
    ends(run, "failed", "The step train failed: rounds: too many (it was Kestrel)")
    assert outbox.deliver_due() == 1 and outbox.deliver_due() == 0
    [(_, headers, body)] = receiver.asked
    told = json.loads(body)
    assert told["run"].pop("seconds") == pytest.approx(90, abs=60)
    assert {told["run"].pop("asked_at"), told["run"].pop("ended_at")} and told["run"].pop("started_at")
    assert told == {
        "event": "run.ended",
        "delivery": headers["ZenPro-Delivery"],
        "organization": {"slug": run.template.tenant.organization.slug, "name": "Acme AI"},
        "tenant": {"slug": "prod", "name": "Prod"},
        "template": {"id": str(run.template.pk), "name": "churn"},
        "run": {
            "number": 1,
            "name": "churn-1",
            "zenml_id": None,
            "state": "failed",
            "link": f"https://zenpro.example.org{run.get_absolute_url()}",
        },
        "started_by": {"username": member.username, "name": "Dana Petrova"},
    }
    assert b"Kestrel" not in body and member.email.encode() not in body and hook.secret.encode() not in body
    assert outcomes() == [("sent", 204, 1)]


@pytest.mark.parametrize(
    ("when", "state", "count"),
    [
        ("always", "completed", 1),
        ("always", "stopped", 1),
        ("failed", "failed", 1),
        ("failed", "completed", 0),
    ],
)
def test_only_wanted_ends_are_told(run, hook, when, state, count):
    Webhook.objects.update(when=when)
    ends(run, state)
    assert WebhookDelivery.objects.count() == count


def test_a_run_of_another_template_or_an_unlisted_one_is_not_told(run, hook):
    RunTemplate.objects.filter(pk=run.template_id).update(is_listed=False)
    ends(run)
    assert not WebhookDelivery.objects.exists()


def test_an_end_that_is_found_twice_is_told_once(run, hook):
    ends(run)
    ends(run, "failed")
    assert WebhookDelivery.objects.count() == 1


def test_an_agent_that_is_killed_between_the_end_and_the_news_leaves_neither(run, hook, monkeypatch):
    def killed(**facts):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(run_rows, "queue_end", killed)
        with pytest.raises(KeyboardInterrupt):
            ends(run)
    assert TemplateRun.objects.get(pk=run.pk).state == "running"
    assert not WebhookDelivery.objects.exists()
    ends(run)
    assert outcomes() == [("queued", None, 0)]


# -- sent until it is taken


def test_a_failure_is_tried_again_with_the_same_id_and_body(run, hook, receiver):
    receiver.answers = [(503, {})]
    ends(run)
    assert outbox.deliver_due() == 1 and outbox.deliver_due() == 0
    assert outcomes() == [("queued", 503, 1)]
    pass_time(PAUSES[0])
    outbox.deliver_due()
    assert outcomes() == [("sent", 204, 2)]
    first, second = receiver.asked
    assert first[2] == second[2] and first[1]["ZenPro-Delivery"] == second[1]["ZenPro-Delivery"]


def test_after_the_last_try_it_has_failed_and_can_be_sent_again(run, hook, receiver):
    receiver.answers = [(500, {})] * (len(PAUSES) + 1)
    ends(run)
    for _ in range(len(PAUSES) + 3):
        outbox.deliver_due()
        pass_time(max(PAUSES))
    assert outcomes() == [("failed", 500, len(PAUSES) + 1)]
    assert WebhookDelivery.objects.get().error == "The other side answered with status 500."
    assert actions.retry_delivery(WebhookDelivery.objects.get())
    outbox.deliver_due()
    assert outcomes() == [("sent", 204, 1)]
    assert not actions.retry_delivery(WebhookDelivery.objects.get())


@pytest.mark.parametrize("status", [302, 410])
def test_what_would_be_answered_again_is_not_asked_again(run, hook, receiver, status):
    receiver.answers = [(status, {"Location": receiver.url})]
    ends(run)
    outbox.deliver_due()
    assert outcomes() == [("failed", status, 1)] and len(receiver.asked) == 1


def test_what_a_killed_agent_had_taken_is_sent_by_the_next(run, hook, receiver):
    ends(run)
    taken = WebhookDelivery.objects.get()
    assert outbox._take(taken) and not outbox._take(WebhookDelivery.objects.get())
    assert outbox.deliver_due() == 0
    pass_time(LEASE)
    assert outbox.deliver_due() == 1
    assert outcomes() == [("sent", 204, 2)]


def test_runs_of_one_template_follow_each_other(template, hook, member, receiver):
    for _ in range(2):
        ends(make_template_run(template, member, state="running"))
    assert [outbox.deliver_due(), outbox.deliver_due(), outbox.deliver_due()] == [1, 1, 0]
    assert [json.loads(body)["run"]["number"] for _, _, body in receiver.asked] == [1, 2]


def test_old_news_is_given_up_and_old_rows_are_forgotten(run, hook, receiver):
    ends(run)
    WebhookDelivery.objects.update(expires_at=timezone.now())
    assert outbox.deliver_due() == 0
    WebhookDelivery.objects.tidy()
    assert outcomes() == [("failed", None, 0)]
    WebhookDelivery.objects.update(settled_at=timezone.now() - KEEP)
    WebhookDelivery.objects.tidy()
    assert outcomes() == [] and receiver.asked == []


def test_keys_that_were_lost_end_it(run, hook, receiver, settings):
    ends(run)
    Webhook.objects.update(sealed="nothing")
    outbox.deliver_due()
    assert WebhookDelivery.objects.get().error == outbox.UNREADABLE
    assert outbox.send_sample(Webhook.objects.get()).error == outbox.UNREADABLE


# -- rights are asked again


@pytest.mark.parametrize("lose", losing.WAYS)
def test_nothing_is_sent_for_who_may_no_longer_change_the_template(run, hook, receiver, member, lose):
    ends(run)
    lose(member, run.template.tenant)
    outbox.deliver_due()
    assert outcomes() == [("cancelled", None, 1)] and receiver.asked == []
    assert WebhookDelivery.objects.get().error == outbox.why_silent(Webhook.objects.get()) != ""


def test_whoever_saves_it_answers_for_it(run, hook, receiver, member, owner):
    losing.role_ends(member, run.template.tenant)
    make_grant(run.template.tenant, owner, "admin")
    actions.set_webhook(template=run.template, address="", when="always", by=Actor(owner))
    ends(run)
    assert outbox.why_silent(Webhook.objects.get()) == ""
    outbox.deliver_due()
    assert outcomes() == [("sent", 204, 1)]
