"""Mails about re-runs that ended: choices, the mail itself, who gets one, and how often."""

import re

import pytest
from django.urls import reverse
from factories import make_grant, make_member, make_template, make_template_run, make_tenant, make_user

from orgs.mails import delivery
from orgs.mails.actions import queue_mail
from orgs.mails.models import Mail
from orgs.users.models import Actor
from tenants.agent import run_rows
from tenants.agent.run_endings import End
from tenants.run_templates import notices
from tenants.run_templates.document.schema import MASK, SEALED
from tenants.run_templates.models import NoticeWhen, OwnNotice, RunNotice, TemplateNotice, TemplateRun
from tests import losing
from zenpro_site.common.refusals import Refused

from ..agent.fake_runner import FakeRunner


@pytest.fixture(autouse=True)
def mail_server(settings):
    settings.MAIL_IS_SET_UP, settings.ZENPRO_URL = True, "https://zenpro.example.org"


@pytest.fixture
def run(org, member):
    tenant = make_tenant(org, "prod", name="Prod")
    make_grant(tenant, member, "operator")
    template = make_template(tenant, name="churn")
    return make_template_run(template, member, state="running")


def ends(run, state="completed", reason=""):
    run_rows.finish(run_rows.load(run.pk), End(state, reason), FakeRunner())


def mails():
    return sorted(Mail.objects.values_list("to", "subject"))


def told():
    return sorted(Mail.objects.values_list("to", flat=True))


def chooses(person, *, run=None, template=None, own=None):
    by = Actor(person)
    if run is not None:
        notices.choose_for_run(run=run[0], wanted=run[1], by=by)
    if template is not None:
        notices.choose_for_template(template=template[0], when=template[1], by=by)
    if own is not None:
        notices.choose_default(when=own, by=by)


# -- who is told


def test_nobody_is_told_who_did_not_ask(run):
    ends(run, "failed")
    assert mails() == []


@pytest.mark.parametrize(
    ("when", "state", "count"),
    [
        ("always", "completed", 1),
        ("failed", "completed", 0),
        ("failed", "failed", 1),
        ("failed", "stopped", 0),
    ],
)
def test_a_default_is_about_runs_the_person_starts(run, member, owner, when, state, count):
    make_grant(run.template.tenant, owner, "admin")
    chooses(member, own=when)
    chooses(owner, own=when)
    ends(run, state)
    assert told() == [member.email] * count


def test_a_choice_for_a_template_is_about_everybodys_runs(run, owner):
    make_grant(run.template.tenant, owner, "viewer")
    chooses(owner, template=(run.template, "failed"))
    ends(make_template_run(run.template, run.created_by, state="running"))
    assert mails() == []
    ends(run, "failed")
    assert told() == [owner.email]
    ends(make_template_run(make_template(run.template.tenant), run.created_by, state="running"), "failed")
    assert told() == [owner.email]


@pytest.mark.parametrize(
    ("everywhere", "here", "state", "count"),
    [
        ("never", "always", "completed", 1),
        ("always", "never", "failed", 0),
        ("always", "failed", "completed", 0),
        ("failed", "", "failed", 1),
    ],
)
def test_a_choice_for_a_tenant_decides_there_and_nowhere_else(run, member, everywhere, here, state, count):
    by, tenant = Actor(member), run.template.tenant
    notices.choose_for_tenant(tenant=tenant, when="failed", by=by)
    notices.choose_for_tenant(tenant=tenant, when=here, by=by)
    chooses(member, own=everywhere)
    assert notices.choice_of(member, run) == (here or everywhere)
    ends(run, state)
    assert told() == [member.email] * count
    elsewhere = make_tenant(tenant.organization, "dev")
    make_grant(elsewhere, member, "operator")
    ends(make_template_run(make_template(elsewhere), member, state="running"), state)
    is_told = everywhere == "always" or (everywhere == "failed" and state == "failed")
    assert told() == [member.email] * (count + is_told)


def test_three_choices_are_one_mail(run, member):
    chooses(member, run=(run, True), template=(run.template, "always"), own="always")
    ends(run)
    assert told() == [member.email]


def test_a_choice_for_the_run_decides_alone(run, member):
    chooses(member, run=(run, False), template=(run.template, "always"), own="always")
    assert notices.choice_of(member, run) == NoticeWhen.NEVER
    ends(run, "failed")
    assert mails() == []


def test_never_leaves_nothing(run, member):
    chooses(member, template=(run.template, "always"), own="failed")
    assert notices.choice_of(member, run) == NoticeWhen.ALWAYS
    chooses(member, template=(run.template, "never"))
    assert notices.choice_of(member, run) == NoticeWhen.FAILED
    chooses(member, own="never")
    assert notices.choice_of(member, run) == NoticeWhen.NEVER
    assert not TemplateNotice.objects.exists() and not OwnNotice.objects.exists()


def test_a_run_that_ended_takes_no_choice(run, member):
    ends(run)
    with pytest.raises(Refused, match="already ended"):
        chooses(member, run=(run, True))
    assert not RunNotice.objects.exists()


# -- who may no longer read it


@pytest.mark.parametrize("lose", losing.WAYS)
def test_who_lost_access_gets_no_mail(run, member, lose):
    chooses(member, run=(run, True), template=(run.template, "always"), own="always")
    read_before = run_rows.load(run.pk)
    lose(member, run.template.tenant)
    run_rows.finish(read_before, End("failed", "It broke."), FakeRunner())
    assert mails() == []
    run.refresh_from_db()
    assert run.state == "failed"


def test_one_who_lost_access_hides_no_other(run, member, owner):
    make_grant(run.template.tenant, owner, "viewer")
    for person in (member, owner):
        chooses(person, run=(run, True))
    losing.role_ends(member, run.template.tenant)
    ends(run)
    assert told() == [owner.email]


# -- exactly once


def test_an_end_is_told_once(run, member):
    chooses(member, run=(run, True))
    rows = [run_rows.load(run.pk), run_rows.load(run.pk)]
    for row in rows:
        run_rows.finish(row, End("completed"), FakeRunner())
    ends(run, "failed", "Too late.")
    assert [subject for _, subject in mails()] == [f"Completed: {run} on Prod (Acme AI)"]


@pytest.mark.django_db(transaction=True)
def test_killed_in_the_middle_it_is_told_once(run, member, owner, monkeypatch):
    make_grant(run.template.tenant, owner, "viewer")
    for person in (member, owner):
        chooses(person, run=(run, True))
    queue = notices.queue_mail

    def dies_after(**mail):
        queue(**mail)
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(notices, "queue_mail", dies_after)
        with pytest.raises(KeyboardInterrupt):
            ends(run)
    assert (mails(), TemplateRun.objects.get().state) == ([], "running")
    ends(run)
    ends(run)
    assert told() == sorted([member.email, owner.email])


def test_killed_after_it_another_agent_tells_nothing(run, member):
    """The end is written, and the agent dies before it has tidied up."""
    chooses(member, run=(run, True))

    class Dies(FakeRunner):
        def tidy(self, run_id):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_rows.finish(run_rows.load(run.pk), End("completed"), Dies())
    assert told() == [member.email]
    assert not TemplateRun.objects.unfinished().exists()


def test_without_a_mail_server_it_ends_all_the_same(run, member, settings):
    settings.MAIL_IS_SET_UP = False
    chooses(member, run=(run, True))
    ends(run)
    run.refresh_from_db()
    assert (run.state, mails()) == ("completed", [])


# -- its words


def body():
    return Mail.objects.get().read()


def test_a_failure_says_state_reason_link_and_how_to_turn_it_off(run, member):
    chooses(member, own="failed")
    ends(run, "failed", "The step <b>train</b> failed: No rows.")
    assert mails() == [(member.email, f"Failed: {run} on Prod (Acme AI)")]
    text, html = body()["text"], body()["html"]
    assert f"{run} on the tenant Prod in Acme AI failed." in text
    assert "The step <b>train</b> failed: No rows." in text and "&lt;b&gt;train" in html
    link = f"https://zenpro.example.org{run.get_absolute_url()}"
    off = f"https://zenpro.example.org{reverse('run_templates:notice_default')}"
    assert all(one in words for one in (link, off, "runs you start") for words in (text, html))


def test_of_a_template_it_says_where_to_turn_it_off(run, member):
    chooses(member, template=(run.template, "always"), own="always")
    ends(run, "stopped", "Stopped by Ada.")
    off = f"https://zenpro.example.org{run.template.get_absolute_url()}#notices"
    assert off in body()["text"] and off in body()["html"]
    assert f"{run} on the tenant Prod in Acme AI was stopped." in body()["text"]


def test_of_one_run_it_says_that_this_is_all(run, member):
    chooses(member, run=(run, True), own="always")
    ends(run)
    assert "There will be no other email about it." in body()["text"]
    assert "why it failed" not in body()["text"].lower()


@pytest.mark.parametrize("hidden", [f"{SEALED}abc", MASK])
def test_a_run_with_secrets_says_nothing_of_its_code(run, member, hidden):
    steps = {"load": {"parameters": {"token": hidden}}}
    TemplateRun.objects.update(configuration={"steps": steps})
    chooses(member, run=(run, True))
    ends(run, "failed", "The step load failed: 401 for token hunter2")
    assert "hunter2" not in str(body()) and "Why it failed is on its page." in body()["text"]


def test_values_that_were_refused_are_left_out(run, member):
    chooses(member, run=(run, True))
    ends(run, "failed", "The step train failed: rounds: Not a number (it was 'many'); depth: No (it was 3)")
    assert "rounds: Not a number" in body()["text"]
    assert "many" not in str(body()) and "(it was" not in str(body())


# -- pages


def address(name, run, *more):
    tenant = run.template.tenant
    return reverse(
        f"run_templates:{name}", args=[tenant.organization.slug, tenant.slug, run.template.pk, *more]
    )


def pressed(page: str) -> list[str]:
    return re.findall(r'value="(\w+)" aria-pressed="true"', page)


def test_one_click_on_and_one_click_off(as_user, run, member):
    client, url = as_user(member), address("run_notice", run, run.number)
    page = run.get_absolute_url()
    assert f'hx-get="{url}"' in client.get(page).content.decode()
    assert pressed(client.get(url).content.decode()) == ["off"]
    assert client.post(url, {"tell": "on"}).url == page
    assert notices.choice_of(member, run) == NoticeWhen.ALWAYS
    assert "You’ll be told when it ends" in client.get(page).content.decode()
    assert pressed(client.get(url).content.decode()) == ["on"]
    client.post(url, {"tell": "off"})
    assert notices.choice_of(member, run) == NoticeWhen.NEVER
    assert "Tell me when it ends" in client.get(page).content.decode()


def test_a_run_that_ended_offers_nothing(as_user, run, member):
    ends(run)
    client = as_user(member)
    assert "Tell me" not in client.get(run.get_absolute_url()).content.decode()
    assert 'name="tell"' not in client.get(address("run_notice", run, run.number)).content.decode()
    page = client.post(address("run_notice", run, run.number), {"tell": "on"}, follow=True).content.decode()
    assert "already ended" in page and not RunNotice.objects.exists()


def test_without_a_mail_server_pages_offer_no_mail_and_say_why(as_user, run, member, settings):
    settings.MAIL_IS_SET_UP = False
    client, own = as_user(member), reverse("run_templates:notice_default")
    for url in (address("run_notice", run, run.number), run.template.get_absolute_url(), own):
        page = client.get(url).content.decode()
        assert "No mail server is set up here" in page and "Set up your webhook" in page
        assert "aria-pressed" not in page


def test_a_template_is_chosen_for_oneself_alone(as_user, run, member, owner):
    make_grant(run.template.tenant, owner, "viewer")
    client, url = as_user(member), address("template_notice", run)
    assert client.post(url, {"when": "failed"}).url == f"{run.template.get_absolute_url()}#notices"
    page = client.get(run.template.get_absolute_url()).content.decode()
    chosen = page.split('value="failed"', 1)[1].split(">", 1)[0]
    assert 'aria-pressed="true"' in chosen and page.count('value="failed"') == 1
    assert notices.template_choice_of(owner, run.template) == NoticeWhen.NEVER


def test_a_default_is_kept(as_user, member):
    client, url = as_user(member), reverse("run_templates:notice_default")
    assert url in client.get(reverse("users:settings")).content.decode()
    assert notices.default_of(member) == NoticeWhen.NEVER
    assert client.post(url, {"when": "failed"}).url == url
    assert notices.default_of(member) == NoticeWhen.FAILED


def test_a_tenant_is_chosen_on_its_page_and_listed(as_user, run, member, outsider, org):
    tenant = run.template.tenant
    client, own = as_user(member), reverse("run_templates:notice_default")
    url = reverse("run_templates:tenant_notice", args=[org.slug, tenant.slug])
    assert f'href="{url}"' in client.get(own).content.decode()
    assert pressed(client.get(url).content.decode()) == ["everywhere"]
    assert client.post(url, {"when": "failed"}).url == url
    assert pressed(client.get(url).content.decode()) == ["failed"]
    assert "with a choice of its own" in client.get(own).content.decode()
    assert "Nothing was changed" in client.post(url, {"when": ""}, follow=True).content.decode()
    client.post(url, {"when": "everywhere"})
    assert notices.tenant_choice_of(member, tenant) is None
    for person in (outsider, make_member(org)):
        assert as_user(person).post(url, {"when": "always"}).status_code == 404
        assert url not in as_user(person).get(own).content.decode()


@pytest.mark.parametrize("sent", [{}, {"when": "sometimes", "tell": "maybe"}])
def test_what_is_no_option_changes_nothing(as_user, run, member, sent):
    chooses(member, run=(run, True), template=(run.template, "failed"), own="failed")
    client = as_user(member)
    for url in (address("run_notice", run, run.number), address("template_notice", run)):
        assert "Nothing was changed" in client.post(url, sent, follow=True).content.decode()
    refused = client.post(reverse("run_templates:notice_default"), sent, follow=True)
    assert "Nothing was changed" in refused.content.decode()
    now = (notices.choice_of(member, run), notices.template_choice_of(member, run.template))
    assert (*now, notices.default_of(member)) == ("always", "failed", "failed")


def test_strangers_and_those_who_may_not_read_it_choose_nothing(as_user, run, outsider, org):
    for person in (outsider, make_user(), make_member(org)):
        for url in (address("run_notice", run, run.number), address("template_notice", run)):
            assert as_user(person).post(url, {"tell": "on", "when": "always"}).status_code == 404
    assert not RunNotice.objects.exists() and not TemplateNotice.objects.exists()


# -- when it is sent


@pytest.mark.parametrize("lose", losing.WAYS)
def test_who_loses_access_while_a_mail_waits_does_not_get_it(run, member, owner, lose, mailoutbox):
    make_grant(run.template.tenant, owner, "viewer")
    for person in (member, owner):
        chooses(person, run=(run, True))
    other = queue_mail(
        organization=run.template.tenant.organization, to="x@example.org", subject="S", text="T"
    )
    ends(run, "failed", "It broke.")
    lose(member, run.template.tenant)
    delivery.deliver_due(notices.may_be_sent)
    sent = {address for mail in mailoutbox for address in mail.to}
    everyone = lose in (losing.tenant_is_deleted, losing.two_factor_is_required)
    assert sent == {other.to} | (set() if everyone else {owner.email})
    held = Mail.objects.get(to=member.email)
    assert (held.state, held.sealed_body) == ("cancelled", "")
