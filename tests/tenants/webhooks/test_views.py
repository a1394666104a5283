"""The page of a template's webhook."""

import pytest
from django.urls import reverse
from factories import make_grant, make_member, make_template_run

from orgs.audit.models import AuditEvent
from tenants.webhooks.destinations import INNER
from tenants.webhooks.models import Webhook, WebhookDelivery

ADDRESS = "https://hooks.example.org/in/T0KEN-IN-ADDRESS"


def url(template, name="detail", *more):
    tenant = template.tenant
    return reverse(f"webhooks:{name}", args=[tenant.organization.slug, tenant.slug, template.pk, *more])


def text(response):
    return response.content.decode()


def recorded():
    events = AuditEvent.objects.filter(action__startswith="template.webhook")
    return [(event.action.partition("_")[2], event.before, event.after) for event in events.order_by("id")]


def test_the_first_save_shows_the_secret_and_the_page_never_again(template, member, as_user):
    client = as_user(member)
    assert "No webhook" in text(client.get(url(template)))
    shown = client.post(url(template), {"address": ADDRESS, "when": "failed"})
    known = Webhook.objects.get().read()
    assert known["address"] == ADDRESS and known["secret"] in text(shown)
    assert "no-store" in shown["Cache-Control"]
    later = text(client.get(url(template)))
    assert known["secret"] not in later and "T0KEN" not in later and "hooks.example.org" in later
    row = str(Webhook.objects.values().get())
    assert known["secret"] not in row and "T0KEN" not in row
    [event] = recorded()
    assert event == ("set", {}, {"host": "hooks.example.org", "when": "only when they fail"})


def test_the_page_belongs_to_the_templates_of_the_tenant(template, member, as_user):
    frame = as_user(member).get(url(template)).context["shell"]
    assert [item.label for tenant in frame.tenants for item in tenant.nav if item.active] == ["Templates"]


def test_saving_without_an_address_keeps_address_and_secret(template, hook, member, as_user):
    before = hook.read()
    response = as_user(member).post(url(template), {"address": "", "when": "failed"})
    assert response.status_code == 302
    hook = Webhook.objects.get()
    assert (hook.read(), hook.when, hook.set_by) == (before, "failed", member)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"address": "", "when": "always"}, "This field is required."),
        ({"address": "https://127.0.0.1/x", "when": "always"}, INNER.replace("'", "&#x27;")),
        ({"address": ADDRESS, "when": "often"}, "Select a valid choice"),
    ],
    ids=["nothing", "inside", "odd choice"],
)
def test_bad_input_is_told_at_its_field_and_nothing_is_kept(template, member, as_user, data, said):
    response = as_user(member).post(url(template), data)
    assert response.status_code == 422 and said in text(response)
    assert data["address"] in text(response)
    assert not Webhook.objects.exists()


def test_a_new_secret_replaces_the_old_one(template, hook, member, as_user):
    shown = text(as_user(member).post(url(template, "secret")))
    known = Webhook.objects.get().read()
    assert known["secret"] != hook.secret and known["secret"] in shown
    assert known["address"] == hook.read()["address"]
    assert recorded()[-1][0] == "secret_replaced" and known["secret"] not in str(recorded())


@pytest.mark.parametrize(
    ("status", "said"), [(204, "answered with status 204"), (500, "answered with status 500")]
)
def test_a_test_says_what_the_other_side_answered(template, hook, member, receiver, as_user, status, said):
    receiver.answers, receiver.body = [(status, {})], b"what-only-this-machine-sees"
    response = as_user(member).post(url(template, "test"), follow=True)
    assert said in text(response) and "what-only" not in text(response)
    [(_, headers, _)] = receiver.asked
    assert headers["ZenPro-Event"] == "test"
    assert recorded()[-1] == ("tested", {}, {"host": hook.host, "answer": status})
    assert not WebhookDelivery.objects.exists()


def test_deliveries_are_listed_and_a_failed_one_is_sent_again(template, hook, member, as_user):
    run = make_template_run(template, member, state="failed")
    failed = WebhookDelivery.objects.create(
        webhook=hook, run=run, body="{}", state="failed", status=500, error="It said <no>.", attempts=5
    )
    client = as_user(member)
    shown = text(client.get(url(template)))
    assert "It said &lt;no&gt;." in shown and "Send again" in shown
    assert client.post(url(template, "retry", failed.pk)).status_code == 302
    failed.refresh_from_db()
    assert (failed.state, failed.attempts) == ("queued", 0)
    assert "Send again" not in text(client.get(url(template)))


def test_it_is_removed_with_all_that_waits(template, hook, member, as_user):
    WebhookDelivery.objects.create(webhook=hook, run=make_template_run(template, member), body="{}")
    as_user(member).post(url(template, "remove"))
    assert not Webhook.objects.exists() and not WebhookDelivery.objects.exists()
    assert recorded()[-1][:2] == ("removed", {"host": hook.host, "when": "when they end"})


def test_the_page_says_why_nothing_is_sent(template, hook, owner, member, as_user):
    template.tenant.grants.all().delete()
    make_grant(template.tenant, owner, "admin")
    assert "Dana Petrova can no longer change this template" in text(as_user(owner).get(url(template)))


def test_a_webhook_that_is_not_there_can_be_neither_tested_nor_removed(template, member, as_user):
    names = ("secret", "test", "remove")
    assert [as_user(member).post(url(template, name)).status_code for name in names] == [404] * 3


def test_the_delivery_of_another_template_is_not_found(template, hook, member, owner, as_user):
    from_elsewhere = "00000000-0000-0000-0000-000000000001"
    assert as_user(member).post(url(template, "retry", from_elsewhere)).status_code == 404


@pytest.mark.parametrize("name", ["detail", "secret", "test", "remove"])
def test_who_may_not_change_the_template_changes_nothing(template, hook, receiver, outsider, as_user, name):
    viewer = make_member(template.tenant.organization, "member")
    make_grant(template.tenant, viewer, "operator")
    before = hook.read()
    data = {"address": ADDRESS, "when": "failed"}
    assert as_user(viewer).post(url(template, name), data).status_code == 403
    assert as_user(outsider).post(url(template, name), data).status_code == 404
    hook = Webhook.objects.get()
    assert (hook.read(), hook.when, receiver.asked) == (before, "always", [])
