"""Pages of invitations in a real browser: with the keyboard alone, followed live, and under axe."""

from datetime import timedelta

import pytest
from django.utils import timezone
from factories import make_grant, make_member, make_team, make_tenant
from playwright.sync_api import expect

from orgs.invitations.models import Invitation
from orgs.mails.models import Mail
from tests.browsing import LOOKS, problems, settled, tab_to

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LIST = """email, role, team
grace@example.org, Editor, risk-ml
dana@example.org, Viewer
chief@example.org, Chief
nonsense"""


@pytest.fixture
def visit(visits, live_server, settings, org, owner):
    """visit(path, ...): a page of the owner below the organization."""
    settings.ZENPRO_URL, settings.MAIL_IS_SET_UP = live_server.url, True
    return lambda path, *look, **options: visits.open(f"/o/{org.slug}/{path}", owner, *look, **options)


def test_invite_with_the_keyboard_alone(visit, org):
    team = make_team(org, "risk-ml")
    page = visit("invitations/")
    tab_to(page, page.get_by_role("link", name="Invite people").first)
    page.keyboard.press("Enter")
    page.locator("#modal[open] textarea").wait_for()
    page.keyboard.type("linus@example.org")
    tab_to(page, page.locator("input[name=role]:checked"))
    page.keyboard.press("ArrowUp")
    tab_to(page, page.get_by_label("risk-ml"))
    page.keyboard.press("Space")
    tab_to(page, page.get_by_role("button", name="Send invitations"))
    page.keyboard.press("Enter")
    page.get_by_text("1 invitation created").wait_for()
    tab_to(page, page.get_by_role("button", name="Copy link"))
    invitation = org.invitations.get()
    assert (invitation.email, invitation.role, list(invitation.teams.all())) == (
        "linus@example.org",
        "viewer",
        [team],
    )


def test_escape_closes_the_dialog_and_gives_the_focus_back(visit):
    page = visit("invitations/")
    opener = page.get_by_role("link", name="Invite people").first
    opener.focus()
    page.keyboard.press("Enter")
    page.locator("#modal[open] textarea").wait_for()
    page.keyboard.press("Escape")
    page.locator("#modal[open]").wait_for(state="detached")
    expect(opener).to_be_focused()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_list_is_shown_corrected_and_sent_with_the_keyboard_alone(visit, org, scripts):
    make_team(org, "risk-ml")
    make_member(org, email="dana@example.org")
    page = visit("invitations/list/", java_script_enabled=scripts)
    page.get_by_role("textbox", name="List").focus()
    page.keyboard.insert_text(LIST)
    page.keyboard.press("Tab")
    check = page.get_by_role("button", name="Check")
    check.focus() if not scripts else tab_to(page, check)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="1 of 4 will be invited").wait_for()
    assert not org.invitations.exists()
    settled(page)
    page.get_by_role("textbox", name="List").focus()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(LIST.replace("Chief", "Viewer"))
    again = page.get_by_role("button", name="Check again")
    again.focus() if not scripts else tab_to(page, again)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="2 of 4 will be invited").wait_for()
    if scripts:
        expect(page.locator("#lines-h"), "reading begins at the result").to_be_focused()
    send = page.get_by_role("button", name="Send 2 invitations")
    send.focus() if not scripts else tab_to(page, send)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="2 invitations created").wait_for()
    expect(page.get_by_text("Already a member", exact=True)).to_be_visible()
    assert set(org.invitations.values_list("email", "role")) == {
        ("grace@example.org", "editor"),
        ("chief@example.org", "viewer"),
    }


def test_results_and_list_follow_the_mail_by_themselves(visit, org, settings):
    page = visit("invitations/new/")
    page.get_by_label("Email addresses").fill("linus@example.org")
    page.get_by_role("button", name="Send invitations").click()
    page.get_by_text("Email queued").wait_for()
    link = page.locator(".code-line code").inner_text()
    listed = visit("invitations/")
    listed.get_by_text("Email queued").wait_for()
    Mail.objects.update(state="failed", error="550 No such person", settled_at=timezone.now())
    for each in (page, listed):
        each.get_by_text("Delivery failed", exact=True).last.wait_for()
        expect(each.get_by_text("550 No such person")).to_be_visible()
    expect(page.locator(".code-line code"), "what is shown once stays").to_have_text(link)
    listed.get_by_role("button", name="Try again").click()
    listed.get_by_text("Email queued").wait_for()
    Mail.objects.update(state="sent", settled_at=timezone.now())
    listed.get_by_text("Email sent", exact=True).wait_for()
    page.get_by_text("Mails: 1 sent").wait_for()


def test_a_new_link_waits_in_sight(visit, org, send):
    send()
    page = visit("invitations/")
    page.get_by_text("New link in").wait_for()
    Invitation.objects.update(sent_at=timezone.now() - timedelta(seconds=61))
    page.get_by_role("button", name="New link for linus@example.org").wait_for()


def some_of_each(org, owner, send):
    """Invitations in every state; returns a member to be like."""
    make_team(org, "risk-ml")
    person = make_member(org, "editor", name="Dana Petrova", email="dana@example.org")
    make_grant(
        make_tenant(org, "production"), person, "developer", expires_at=timezone.now() + timedelta(days=9)
    )
    for name in ("queued", "failed", "sent", "retried"):
        send(f"{name}@example.org")
    mails = {mail.to.split("@")[0]: mail for mail in Mail.objects.all()}
    for name, fields in {
        "failed": {"state": "failed", "error": "The mail server rejected this address: 550 No such person"},
        "sent": {"state": "sent", "settled_at": timezone.now()},
        "retried": {"error": "The mail server cannot be reached: Connection refused", "attempts": 2},
    }.items():
        Mail.objects.filter(pk=mails[name].pk).update(**fields)
    Invitation.objects.exclude(email__startswith="queued").update(sent_at=timezone.now() - timedelta(hours=1))
    return person


def test_pages_have_no_problems_at_any_width_and_in_the_dark(visit, org, owner, send):
    person = some_of_each(org, owner, send)
    for width, scheme in LOOKS:
        for path in (
            "invitations/",
            "invitations/list/",
            f"invitations/new/?like={person.membership.pk}",
        ):
            page = visit(path, width, scheme)
            assert problems(page) == [], (path, width, scheme)
        page = visit("invitations/list/", width, scheme)
        page.get_by_role("textbox", name="List").fill(LIST)
        page.get_by_role("button", name="Check").click()
        page.get_by_role("heading", name="will be invited").wait_for()
        assert problems(page) == [], ("preview", width, scheme)
        page.get_by_role("textbox", name="List").fill(f"{scheme}{width}@example.org\nnonsense")
        page.get_by_role("button", name="Check again").click()
        page.get_by_role("button", name="Send 1 invitation").click()
        page.get_by_role("heading", name="1 invitation created").wait_for()
        assert problems(page) == [], ("result", width, scheme)
        page = visit("invitations/", width, scheme)
        page.get_by_role("link", name="Invite people").first.click()
        page.locator("#modal[open] textarea").wait_for()
        assert problems(page) == [], ("dialog", width, scheme)
