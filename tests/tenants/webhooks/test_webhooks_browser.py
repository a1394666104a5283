"""The page of a webhook in a real browser: it fits, it can be read, and a secret is copied when it is shown."""

from datetime import timedelta

import pytest
from django.utils import timezone
from factories import make_template_run
from playwright.sync_api import expect

from tenants.webhooks.models import Webhook, WebhookDelivery
from tests.browsing import LOOKS, picture, problems

from .test_views import url

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def with_deliveries(hook: Webhook) -> None:
    """One that arrived, one that is tried again, one that failed."""
    now = timezone.now()
    states = [
        {"state": "sent", "status": 204, "attempts": 1, "settled_at": now},
        {
            "status": 503,
            "attempts": 2,
            "error": "The other side answered with status 503.",
            "next_try_at": now + timedelta(minutes=5),
        },
        {"state": "failed", "attempts": 5, "error": "Nothing is listening there.", "settled_at": now},
    ]
    for facts in states:
        run = make_template_run(hook.template, hook.set_by)
        WebhookDelivery.objects.create(webhook=hook, run=run, body="{}", **facts)


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_looks(visits, template, member, receiver, width, scheme):
    look = {"user": member, "width": width, "scheme": scheme}
    page = visits.open(url(template), **look)
    assert problems(page) == []
    picture(page, f"webhook-none-{width}-{scheme}")
    page.get_by_label("Address").fill(receiver.url)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Copy secret")).to_be_visible()
    assert problems(page) == []
    picture(page, f"webhook-secret-{width}-{scheme}")
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_text("The test arrived")).to_be_visible()
    expect(page.get_by_role("button", name="Copy secret")).to_have_count(0)
    with_deliveries(Webhook.objects.get())
    page.goto(page.url)
    expect(page.get_by_text("Nothing is listening there.")).to_be_visible()
    assert problems(page) == []
    picture(page, f"webhook-{width}-{scheme}")
