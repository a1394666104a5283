"""A person's own webhook: set up in their settings, told of the runs they choose, and tests of every way of telling."""

import json

import pytest
from django.urls import reverse
from factories import make_member, make_template_run, make_user

from orgs.audit.models import AuditEvent
from orgs.mails.models import Mail
from orgs.users.models import Actor
from tenants.agent import run_rows
from tenants.agent.run_endings import End
from tenants.run_templates import notices
from tenants.run_templates.models import NoticeWay, OwnNotice, RunNotice, TemplateNotice
from tenants.webhooks import actions, outbox
from tenants.webhooks.destinations import INNER
from tenants.webhooks.models import Webhook, WebhookDelivery
from tests import losing
from zenpro_site.common.refusals import Refused

from ..agent.fake_runner import FakeRunner

OWN = "/settings/webhook/"
ADDRESS = "https://hooks.example.org/in/T0KEN-IN-ADDRESS"
WEBHOOK = NoticeWay.WEBHOOK


@pytest.fixture
def own(member, receiver):
    """The member's, which is told of nothing that they have not chosen."""
    actions.set_own_webhook(address=receiver.url, when="never", by=Actor(member))
    return outbox.own_webhook(member)


def ends(run, state="completed", reason=""):
    run_rows.finish(run_rows.load(run.pk), End(state, reason), FakeRunner())


def text(response):
    return response.content.decode()


def url(name, run, *more):
    tenant = run.template.tenant
    return reverse(name, args=[tenant.organization.slug, tenant.slug, run.template.pk, *more])


# -- which ends are told


CHOICES = {
    "run": lambda run, by: notices.choose_for_run(run=run, wanted=True, way=WEBHOOK, by=by),
    "template": lambda run, by: notices.choose_for_template(
        template=run.template, when="failed", way=WEBHOOK, by=by
    ),
    "tenant": lambda run, by: notices.choose_for_tenant(
        tenant=run.template.tenant, when="failed", way=WEBHOOK, by=by
    ),
    "own": lambda run, by: notices.choose_default(when="failed", way=WEBHOOK, by=by),
}


@pytest.mark.parametrize("choice", CHOICES)
def test_each_choice_is_told_signed_and_once(run, own, member, receiver, choice):
    CHOICES[choice](run, Actor(member))
    ends(run, "failed", "It was Kestrel")
    ends(run, "failed", "It was Kestrel")
    outbox.deliver_due()
    [(_, headers, body)] = receiver.asked
    told = json.loads(body)
    assert (told["event"], told["run"]["state"], told["run"]["number"]) == ("run.ended", "failed", run.number)
    assert headers["ZenPro-Signature"].startswith("t=") and headers["ZenPro-Delivery"] == told["delivery"]
    assert b"Kestrel" not in body and not Mail.objects.exists()


def test_all_choices_are_one_delivery_beside_that_of_the_template(run, hook, own, member, receiver):
    for choose in CHOICES.values():
        choose(run, Actor(member))
    ends(run, "failed")
    assert sorted(WebhookDelivery.objects.values_list("webhook", flat=True)) == sorted([hook.pk, own.pk])


def test_what_was_not_chosen_is_not_told(run, own, member, template, settings):
    settings.MAIL_IS_SET_UP = True
    notices.choose_default(when="failed", way=WEBHOOK, by=Actor(member))
    notices.choose_for_run(run=run, wanted=True, by=Actor(member))
    ends(run, "completed")
    ends(make_template_run(template, make_member(template.tenant.organization), state="running"), "failed")
    assert not WebhookDelivery.objects.exists()
    assert Mail.objects.get().to == member.email


@pytest.mark.parametrize("lose", losing.WAYS)
@pytest.mark.parametrize("first", ["lost", "ended"])
def test_who_lost_access_is_told_nothing(run, own, member, receiver, lose, first):
    notices.choose_for_run(run=run, wanted=True, way=WEBHOOK, by=Actor(member))
    steps = [lambda: ends(run), lambda: lose(member, run.template.tenant)]
    for step in steps if first == "ended" else reversed(steps):
        step()
    outbox.deliver_due()
    assert receiver.asked == []
    assert {one.state for one in WebhookDelivery.objects.all()} <= {"cancelled"}
    assert [*outbox.shown_deliveries(own)] == [] or lose in (
        losing.is_deactivated,
        losing.two_factor_is_required,
    )


def test_without_a_webhook_it_cannot_be_chosen(run, member, as_user):
    for choose in CHOICES.values():
        with pytest.raises(Refused, match="no webhook yet"):
            choose(run, Actor(member))
    page = as_user(member).post(
        url("run_templates:run_notice", run, run.number), {"tell": "on", "way": "webhook"}, follow=True
    )
    assert "You have no webhook yet" in text(page)
    assert not RunNotice.objects.exists() and not OwnNotice.objects.exists()


# -- its page


def test_it_is_set_up_once_shown_and_sealed(member, as_user):
    client = as_user(member)
    assert "No webhook" in text(client.get(OWN)) and OWN in text(client.get(reverse("users:settings")))
    shown = client.post(OWN, {"address": ADDRESS, "when": "failed"})
    known = Webhook.objects.get(person=member).read()
    assert known["address"] == ADDRESS and known["secret"] in text(shown)
    later = text(client.get(OWN))
    assert known["secret"] not in later and "T0KEN" not in later and "hooks.example.org" in later
    assert notices.default_of(member, WEBHOOK) == "failed" and notices.default_of(member) == "never"
    assert client.post(OWN, {"address": "", "when": "always"}).url == OWN
    assert Webhook.objects.get().read() == known and notices.default_of(member, WEBHOOK) == "always"
    rows = [str(event.after) for event in AuditEvent.objects.filter(action="person.webhook_set")]
    assert rows == [str({"host": "hooks.example.org"})] * 2


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"address": "", "when": "always"}, "This field is required."),
        ({"address": "https://127.0.0.1/x", "when": "always"}, INNER.replace("'", "&#x27;")),
        ({"address": "http://hooks.example.org/x", "when": "always"}, "must begin with https"),
        ({"address": ADDRESS, "when": "often"}, "Select a valid choice"),
    ],
    ids=["nothing", "inside", "not https", "odd choice"],
)
def test_bad_input_is_told_at_its_field_and_nothing_is_kept(member, as_user, data, said):
    response = as_user(member).post(OWN, data)
    assert response.status_code == 422 and said in text(response) and data["address"] in text(response)
    assert not Webhook.objects.exists() and not OwnNotice.objects.exists()


def test_removing_it_ends_what_was_chosen_about_it_alone(run, own, member, as_user):
    for choose in CHOICES.values():
        choose(run, Actor(member))
    notices.choose_for_template(template=run.template, when="always", by=Actor(member))
    assert as_user(member).post(f"{OWN}remove/").url == OWN
    assert not Webhook.objects.exists() and not notices.has_webhook(member)
    assert [row.way for row in TemplateNotice.objects.all()] == ["mail"] and not RunNotice.objects.exists()
    ends(run, "failed")
    assert not WebhookDelivery.objects.exists()


def test_a_new_secret_replaces_the_old_one(own, member, as_user):
    before = own.read()
    shown = text(as_user(member).post(f"{OWN}secret/"))
    after = Webhook.objects.get().read()
    assert after["secret"] != before["secret"] and after["secret"] in shown
    assert after["address"] == before["address"]


def test_it_is_its_persons_alone(run, own, member, owner, as_user, receiver):
    notices.choose_for_run(run=run, wanted=True, way=WEBHOOK, by=Actor(member))
    ends(run)
    delivery = WebhookDelivery.objects.get()
    assert str(run) in text(as_user(member).get(OWN))
    other = as_user(owner)
    assert "No webhook" in text(other.get(OWN)) and str(run) not in text(other.get(OWN))
    for action in ("secret", "test", "remove", f"deliveries/{delivery.pk}/retry"):
        assert other.post(f"{OWN}{action}/").status_code == 404
    assert Webhook.objects.get().read() == own.read() and receiver.asked == []


def test_a_failed_delivery_is_sent_again(run, own, member, as_user, receiver):
    notices.choose_for_run(run=run, wanted=True, way=WEBHOOK, by=Actor(member))
    ends(run)
    WebhookDelivery.objects.update(state="failed", attempts=5)
    failed = WebhookDelivery.objects.get()
    assert as_user(member).post(f"{OWN}deliveries/{failed.pk}/retry/").url == OWN
    outbox.deliver_due()
    assert WebhookDelivery.objects.get().state == "sent" and len(receiver.asked) == 1


# -- tests of each choice


def places(run):
    return {
        "run": (url("webhooks:try_run", run, run.number), {"run", "template", "tenant", "organization"}),
        "template": (url("webhooks:try_template", run), {"template", "tenant", "organization"}),
        "tenant": (
            reverse("webhooks:try_tenant", args=[run.template.tenant.organization.slug, "prod"]),
            {"tenant", "organization"},
        ),
        "own": (reverse("webhooks:try_default"), set()),
    }


@pytest.mark.parametrize("place", CHOICES)
@pytest.mark.parametrize(
    ("status", "said"), [(204, "answered with status 204"), (500, "answered with status 500")]
)
def test_a_test_of_the_webhook_says_what_was_answered(
    run, own, member, as_user, receiver, place, status, said
):
    receiver.answers = [(status, {})]
    where, facts = places(run)[place]
    assert said in text(as_user(member).post(where, {"way": "webhook"}, follow=True))
    [(_, headers, body)] = receiver.asked
    assert headers["ZenPro-Event"] == "test" and set(json.loads(body)) == {"event"} | facts
    assert AuditEvent.objects.get(action="person.webhook_tested").after["host"] == own.host


@pytest.mark.parametrize("place", CHOICES)
def test_a_test_mail_goes_through_the_outbox_once_a_minute(run, member, as_user, settings, place):
    settings.MAIL_IS_SET_UP, settings.ZENPRO_URL = True, "https://zenpro.example.org"
    client, (where, _) = as_user(member), places(run)[place]
    assert f"A test email to {member.email} is on its way." in text(
        client.post(where, {"way": "mail"}, follow=True)
    )
    mail = Mail.objects.get()
    assert (mail.to, mail.state) == (member.email, "queued") and mail.subject.startswith("Test: ")
    assert "https://zenpro.example.org/" in mail.read()["text"]
    assert "Wait a minute" in text(client.post(where, {"way": "mail"}, follow=True))
    assert Mail.objects.count() == 1


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("webhook", "You have no webhook yet"),
        ("mail", "No mail server"),
        ("pigeon", "Nothing was sent"),
        ("", "Nothing was sent"),
    ],
)
def test_what_cannot_be_tried_says_so(run, member, as_user, settings, way, said):
    settings.MAIL_IS_SET_UP = False
    for where, _ in places(run).values():
        assert said in text(as_user(member).post(where, {"way": way}, follow=True))
    assert not Mail.objects.exists()


def test_someone_in_no_organization_is_told_that_mails_need_one(as_user, settings, db):
    settings.MAIL_IS_SET_UP = True
    page = as_user(make_user()).post(reverse("webhooks:try_default"), {"way": "mail"}, follow=True)
    assert "you are not in one" in text(page) and not Mail.objects.exists()


def test_who_may_not_read_the_run_tries_nothing(run, outsider, as_user, receiver):
    actions.set_own_webhook(address=receiver.url, when="never", by=Actor(outsider))
    for place in ("run", "template", "tenant"):
        where, _ = places(run)[place]
        assert as_user(outsider).post(where, {"way": "webhook"}).status_code == 404
    assert receiver.asked == []


def test_a_run_that_is_not_there_is_not_tried(run, own, member, as_user, receiver):
    where = url("webhooks:try_run", run, 99)
    assert as_user(member).post(where, {"way": "webhook"}).status_code == 404
    assert receiver.asked == []
