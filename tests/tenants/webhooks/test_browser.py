"""The page of a webhook as a browser shows it: axe finds nothing, nothing overflows on a phone."""

import os
from pathlib import Path

import pytest
from django.utils import timezone
from factories import make_template_run
from playwright.sync_api import expect

from tenants.webhooks.models import PAUSES, Webhook, WebhookDelivery
from tests.browsing import LOOKS, problems

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PICTURES = os.environ.get("PICTURES")  # a folder to look at them
DELIVERIES = [
    {"state": "queued", "attempts": 1, "status": 503, "error": "The other side answered with status 503."},
    {"state": "failed", "attempts": 5, "error": "The other side did not answer within 8 seconds."},
    {"state": "sent", "attempts": 1, "status": 204},
]


def test_a_webhook_is_set_up_and_what_it_sent_is_listed(template, member, visits):
    path = template.get_absolute_url() + "webhook/"
    page = visits.open(path, member, 1440, "light")
    page.get_by_label("Address").fill("https://hooks.example.org/in/abc")
    page.get_by_label("Only runs that fail").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("copy it now")).to_be_visible()
    assert problems(page) == []
    _picture(page, "secret")
    for one in DELIVERIES:
        run = make_template_run(template, member, state="failed")
        later = timezone.now() + PAUSES[1]
        WebhookDelivery.objects.create(
            webhook=Webhook.objects.get(), run=run, body="{}", next_try_at=later, **one
        )
    for width, scheme in LOOKS:
        page = visits.open(path, member, width, scheme)
        expect(page.get_by_role("button", name="Send re-run 2 again")).to_be_visible()
        assert problems(page) == [], (width, scheme)
        _picture(page, f"{scheme}-{width}")


def _picture(page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"webhook-{name}.png", full_page=True)
