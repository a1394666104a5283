"""Pages that ask again: what they show already is not sent once more, and with the last run that ends they stop."""

import re
from html import unescape

import pytest
from django.urls import reverse
from django.utils import timezone
from factories import make_grant, make_template, make_template_run

from tenants.run_templates.models import Sweep, TemplateRun
from tests.tenants.runs.fakes import RUN_ID
from zenpro_site.common import polling

PAGES = ["runs", "all_runs", "template", "rerun", "sweep"]
ASKS = re.compile(r'hx-get="([^"]*)"\s+hx-trigger="every')


@pytest.fixture(autouse=True)
def no_time(monkeypatch):
    monkeypatch.setattr(polling, "SLOW_TICK", 10**12)
    monkeypatch.setattr(polling, "MINUTE", 10**12)


class Page:
    """A page with one run that has not ended, as somebody has it open."""

    def __init__(self, name, client, tenant, server):
        self.name, self.client, self.server = name, client, server
        self.is_zenml, self.target = name in ("runs", "all_runs"), {
            "runs": "runs", "all_runs": "latest", "template": "activity", "rerun": "status", "sweep": "results",
        }[name]  # fmt: skip
        self.url = self._url(tenant)

    def _url(self, tenant):
        if self.is_zenml:
            self.server.half_way()
            args = [tenant.organization.slug] + [tenant.slug] * (self.name == "runs")
            return reverse("tenants:runs" if self.name == "runs" else "orgs:runs", args=args) + "?q=churn"
        template = make_template(tenant)
        self.run = make_template_run(template, state="preparing")
        if self.name == "sweep":
            sweep = Sweep.objects.create(template=template)
            TemplateRun.objects.update(sweep=sweep)
            return sweep.get_absolute_url()
        return (self.run if self.name == "rerun" else template).get_absolute_url()

    def opened(self) -> str:
        """Where the whole page asks next."""
        return self.asks(self.client.get(self.url))

    def asks(self, answer) -> str:
        return unescape(next(iter(ASKS.findall(answer.content.decode())), ""))

    def poll(self, address):
        return self.client.get(address, HTTP_HX_REQUEST="true", HTTP_HX_TARGET=self.target)

    def change(self, **values):
        if self.is_zenml:
            raw = self.server.run_answers[str(RUN_ID)]
            raw["body"] |= {"in_progress": "ended_at" not in values, "status": values["state"]}
        else:
            TemplateRun.objects.filter(pk=self.run.pk).update(**values)


@pytest.fixture(params=PAGES)
def shown(request, as_user, member, tenant, server):
    make_grant(tenant, member, "developer")
    return Page(request.param, as_user(member), tenant, server)


def test_what_did_not_change_is_204_as_often_as_it_is_asked_for(shown):
    asked = shown.opened()
    assert "seen=" in asked
    for _ in range(2):
        answer = shown.poll(asked)
        assert (answer.status_code, answer.content, dict(answer.cookies)) == (204, b"", {})


def test_what_changed_is_sent_and_asked_for_on(shown):
    asked = shown.opened()
    shown.change(
        state="stopping" if shown.is_zenml else "waiting",
        **({} if shown.is_zenml else {"state_reason": "Wait"}),
    )
    answer = shown.poll(asked)
    again = shown.asks(answer)
    assert answer.status_code == 200 and f'id="{shown.target}"' in answer.content.decode()
    assert again.count("seen=") == 1 and again != asked
    assert shown.poll(again).status_code == 204


def test_with_the_end_it_asks_no_more(shown):
    asked = shown.opened()
    shown.change(state="failed", ended_at=timezone.now())
    answer = shown.poll(asked)
    assert (answer.status_code, shown.asks(answer)) == (200, "")
    assert "Failed" in answer.content.decode()


def test_no_link_of_a_page_carries_on_what_was_seen(shown):
    shown.opened()
    separator = "&" if "?" in shown.url else "?"
    text = shown.poll(f"{shown.url}{separator}seen=older").content.decode()
    assert "older" not in text and text.count("seen=") == 1


def test_times_that_go_on_are_shown_anew(shown, monkeypatch):
    asked = shown.opened()
    monkeypatch.setattr(polling, "SLOW_TICK", 1e-3)
    monkeypatch.setattr(polling, "MINUTE", 1e-3)
    assert shown.poll(asked).status_code == 200
