import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from factories import make_grant, make_member, make_org, make_role, make_team, make_tenant, make_user

from orgs.audit.models import AuditEvent
from orgs.invitations.models import Invitation
from orgs.mails.delivery import deliver_due
from orgs.mails.models import Mail
from orgs.users.models import Actor
from zenpro_site.common.mailboxes import split
from zenpro_site.common.refusals import Refused

PASSWORD = "tremendously long words"
NEW_PERSON = {"name": "Linus Berg", "password": PASSWORD}


def url(name, org, *args):
    return reverse(f"invitations:{name}", args=[org.slug, *args])


def accept_url(result):
    return reverse("invitations:accept", args=[result.token])


def offer(**changes):
    return {"addresses": "linus@example.org", "role": "member", **changes}


def done():
    return list(AuditEvent.objects.filter(outcome="done").order_by("id").values_list("action", flat=True))


def rested(result):
    Invitation.objects.update(sent_at=timezone.now() - timedelta(minutes=2))
    return result.invitation


# Refusals


@pytest.mark.parametrize("role", ["editor", "viewer", "member"])
def test_who_may_not_invite_gets_403_everywhere(as_user, org, send, role):
    invitation = send().invitation
    client = as_user(make_member(org, role))
    assert client.get(url("list", org)).status_code == 403
    assert client.get(url("create", org)).status_code == 403
    assert client.post(url("create", org), offer(addresses="x@example.org")).status_code == 403
    assert client.post(url("renew", org, invitation.pk)).status_code == 403
    assert client.post(url("revoke", org, invitation.pk)).status_code == 403
    assert Invitation.objects.get().revoked_at is None
    assert done() == ["invitation.sent"]


def test_outsider_gets_404_and_anonymous_the_sign_in(client, org, send, outsider):
    invitation = send().invitation
    pages = [url("list", org), url("create", org), url("renew", org, invitation.pk)]
    assert {client.post(page).status_code for page in pages[2:]} == {302}
    assert reverse("account_login") in client.get(pages[0]).url
    client.force_login(outsider)
    assert [client.get(page).status_code for page in pages[:2]] == [404, 404]
    assert client.post(pages[2]).status_code == 404


def test_an_invitation_of_another_organization_is_404(as_user, org, owner, send, outsider):
    invitation = rested(send())
    other = outsider.membership.organization
    client = as_user(outsider)
    assert client.post(url("renew", other, invitation.pk)).status_code == 404
    assert client.post(url("revoke", other, invitation.pk)).status_code == 404
    assert Invitation.objects.get().revoked_at is None


def test_an_ended_invitation_is_404(as_user, org, owner, send):
    invitation = rested(send())
    client = as_user(owner)
    client.post(url("revoke", org, invitation.pk))
    assert client.post(url("revoke", org, invitation.pk)).status_code == 404
    assert client.post(url("renew", org, invitation.pk)).status_code == 404
    assert done() == ["invitation.sent", "invitation.revoked"]


def test_choices_of_another_organization_are_refused(as_user, org, owner):
    other = make_org("Other")
    other.roles.create(level="organization", slug="elsewhere", name="Elsewhere")
    team, tenant = make_team(other), make_tenant(other)
    own, deleted = (
        make_tenant(org),
        make_tenant(org, desired_state="deleted", deleted_at=timezone.now()),
    )
    client = as_user(owner)
    for wrong in (
        {"role": "elsewhere"},
        {"teams": [team.uuid]},
        {f"tenant-{tenant.pk}": "viewer"},
        {f"tenant-{deleted.pk}": "viewer"},
        {f"tenant-{own.pk}": "no-such-role"},
    ):
        response = client.post(url("create", org), offer(**wrong))
        assert response.status_code == 422
        assert "circle-alert" in response.content.decode() or 'role="alert"' in response.content.decode()
    assert not Invitation.objects.exists()
    assert done() == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Enter at least one address"),
        ("nonsense, more nonsense", "Enter addresses such as"),
        (", ".join(f"p{n}@example.org" for n in range(101)), "At most 100"),
    ],
)
def test_unusable_addresses_are_an_error_at_the_field(as_user, org, owner, text, words):
    response = as_user(owner).post(url("create", org), offer(addresses=text))
    assert response.status_code == 422
    assert words in response.context["form"].errors["addresses"][0]
    assert not Invitation.objects.exists()


def test_unknown_used_expired_revoked_and_dead_look_alike(client, org, owner, send):
    results = {name: send(f"{name}@example.org") for name in ("used", "expired", "revoked", "dead")}
    client.post(accept_url(results["used"]), NEW_PERSON)
    client.logout()
    rows = Invitation.objects
    rows.filter(email="expired@example.org").update(expires_at=timezone.now())
    rows.filter(email="revoked@example.org").update(revoked_at=timezone.now())
    rows.filter(email="dead@example.org").update(invited_by=make_user())
    unknown = reverse("invitations:accept", args=["unknown"])
    answers = set()
    for address in (unknown, *map(accept_url, results.values())):
        for response in (client.get(address), client.post(address, NEW_PERSON)):
            body = re.sub(r"[A-Za-z0-9]{64}|/invite/[^/]+/", "", response.content.decode())
            answers.add((response.status_code, response["Referrer-Policy"], response["Cache-Control"], body))
    assert len(answers) == 1
    assert answers.pop()[:3] == (404, "no-referrer", "no-store")


def test_get_and_head_change_nothing(client, full):
    before = Invitation.objects.values().get()
    for method in (client.get, client.head):
        response = method(accept_url(full))
        assert response.status_code == 200
        assert (response["Referrer-Policy"], response["Cache-Control"]) == ("no-referrer", "no-store")
    assert Invitation.objects.values().get() == before
    assert not get_user_model().objects.filter(email="linus@example.org").exists()


def test_another_person_is_told_and_can_switch(as_user, full, org, outsider):
    client = as_user(outsider)
    page = client.get(accept_url(full)).content.decode()
    assert "This invitation is for linus@example.org" in page and outsider.email in page
    assert client.post(accept_url(full), NEW_PERSON).status_code == 403
    assert org.memberships.count() == 1
    response = client.post(reverse("account_logout"), {"next": accept_url(full)})
    assert response.url == accept_url(full)
    assert "Set up your account" in client.get(accept_url(full)).content.decode()


def test_a_post_for_an_existing_account_leads_to_the_sign_in(client, full):
    person = make_user("linus@example.org")
    response = client.post(accept_url(full), NEW_PERSON)
    assert response.url == f"{reverse('account_login')}?next={accept_url(full)}"
    person.refresh_from_db()
    assert not person.check_password(PASSWORD)


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"name": " "}, "name"),
        ({"password": ""}, "password"),
        ({"password": "short"}, "password"),
        ({"password": "password1234"}, "password"),
        ({"password": "linus@example.org"}, "password"),
    ],
)
def test_a_bad_name_or_password_is_an_error_at_the_field(client, full, changes, at):
    response = client.post(accept_url(full), {**NEW_PERSON, **changes})
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [at]
    assert f'id="id_{at}_error"' in response.content.decode()
    assert Invitation.objects.get().accepted_at is None


def test_a_token_used_between_look_and_act_is_gone(client, full, monkeypatch):
    monkeypatch.setattr("orgs.invitations.actions.Invitation.objects.by_token", taken_after(1))
    people = get_user_model().objects.count()
    assert client.post(accept_url(full), NEW_PERSON).status_code == 404
    assert get_user_model().objects.count() == people


def taken_after(looks):
    real, asked = Invitation.objects.by_token, []

    def by_token(token):
        asked.append(token)
        return real(token) if len(asked) <= looks else Invitation.objects.none()

    return by_token


@pytest.fixture
def refuse(monkeypatch):
    """refuse("revoke"): the action answers with a refusal, as when someone else was quicker."""

    def refuse(name):
        def fail(**kwargs):
            raise Refused("Somebody was quicker.")

        monkeypatch.setattr(f"orgs.invitations.actions.{name}", fail)

    return refuse


def test_refusals_of_actions_are_shown(as_user, client, org, owner, send, refuse):
    result = send()
    for name in ("invite", "revoke", "accept_as_new"):
        refuse(name)
    response = client.post(accept_url(result), NEW_PERSON)
    assert (response.status_code, "Somebody was quicker." in response.content.decode()) == (422, True)
    response = as_user(owner).post(url("create", org), offer())
    assert (response.status_code, "Somebody was quicker." in response.content.decode()) == (422, True)
    response = client.post(url("revoke", org, result.invitation.pk), follow=True)
    assert "Somebody was quicker." in response.content.decode()
    assert Invitation.objects.get().revoked_at is None


# What they do


def test_a_new_person_sets_name_and_password_and_is_signed_in(client, full, org, team, tenant):
    page = client.get(accept_url(full)).content.decode()
    for words in (
        "Ada Okafor invites you to join Acme AI",
        "Member of Acme AI",
        "Team risk-ml",
        "Operator on production",
    ):
        assert words in page
    response = client.post(accept_url(full), NEW_PERSON)
    assert response.url == org.get_absolute_url()
    person = get_user_model().objects.get(email="linus@example.org")
    assert client.session["_auth_user_id"] == str(person.pk)
    assert org.memberships.filter(user=person, role="member").exists()
    assert AuditEvent.objects.get(action="invitation.accepted").ip == "127.0.0.1"


def test_the_page_says_what_a_team_brings(client, send, org, team, tenant):
    gone = make_tenant(org, "gone", desired_state="deleted", deleted_at=timezone.now())
    team.org_role = make_role(org, "Team lead", level="organization").slug
    team.save()
    make_grant(tenant, team, "developer")
    make_grant(gone, team, "admin")
    page = client.get(accept_url(send(teams=[team]))).content.decode()
    assert "Developer" in page and "production" in page and "Team lead" in page
    assert "on gone" not in page


def test_an_existing_account_signs_in_and_accepts(client, full, org):
    person = make_user("linus@example.org")
    page = client.get(accept_url(full)).content.decode()
    assert "Sign in to accept" in page and 'name="password"' not in page
    client.force_login(person)
    assert "Accept and join" in client.get(accept_url(full)).content.decode()
    assert client.post(accept_url(full)).url == org.get_absolute_url()
    assert org.memberships.filter(user=person).exists()
    assert done() == ["invitation.sent", "invitation.accepted"]


def test_invite_shows_each_result_with_its_link_once(
    as_user, org, owner, member, team, tenant, settings, mailoutbox
):
    settings.MAIL_IS_SET_UP = True
    text = f"Grace@Example.org; linus@example.org\nnonsense, {member.email}"
    data = offer(addresses=text, role="viewer", teams=[team.uuid], **{f"tenant-{tenant.pk}": "operator"})
    client = as_user(owner)
    response = client.post(url("create", org), data)
    page = response.content.decode()
    assert response["Cache-Control"] == "no-store"
    tokens = set(re.findall(r"/invite/([\w-]{43})/", page))
    assert {Invitation.objects.by_token(token).get().email for token in tokens} == {
        "grace@example.org",
        "linus@example.org",
    }
    assert "Already a member" in page and "Invalid address" in page
    assert page.count("Email queued") == 2 and mailoutbox == []
    deliver_due()
    assert [message.to for message in mailoutbox] == [["grace@example.org"], ["linus@example.org"]]
    first = org.invitations.get(email="grace@example.org")
    assert (first.role, list(first.teams.all()), str(first.tenant_grants.get())) == (
        "viewer",
        [team],
        "Operator on production",
    )
    assert "/invite/" not in client.get(url("list", org)).content.decode()


def polled(client, address):
    """What a page that looks after its mails gets; the list names the rows it shows."""
    rows = "&".join(f"row={row.pk}" for row in Invitation.objects.all())
    address += f"{'&' if '?' in address else '?'}{rows}"
    return client.get(address, headers={"HX-Request": "true", "HX-Target": "deliveries"}).content.decode()


@pytest.fixture
def dead_server(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.MAIL_IS_SET_UP = "127.0.0.1", 1, True


def test_pages_follow_the_mail_until_it_is_settled(as_user, org, owner, dead_server):
    client = as_user(owner)
    result = client.post(url("create", org), offer()).content.decode()
    assert "Email queued" in result and "/invite/" in result
    since = unescape(re.search(r'hx-get="([^"]+/deliveries/[^"]+)"', result)[1])
    listed = client.get(url("list", org)).content.decode()
    assert "Email queued" in listed and 'hx-trigger="every 2s"' in listed
    assert "Try again" not in listed
    deliver_due()
    for address in (since, url("list", org)):
        page = polled(client, address)
        assert "<html" not in page and "cannot be reached" in page and "Next attempt at" in page
    Mail.objects.update(state="failed", settled_at=timezone.now())
    for address in (since, url("list", org)):
        page = polled(client, address)
        assert "Delivery failed" in page and 'hx-swap-oob="true"' in page
    assert "Try again" in page
    response = client.post(url("retry", org, Invitation.objects.get().pk))
    assert response.url == url("list", org)
    assert "Email queued" in client.get(url("list", org)).content.decode()
    assert done() == ["invitation.sent", "invitation.mail_retried"]


def test_pages_stop_looking_when_nothing_moves(as_user, org, owner, dead_server):
    client = as_user(owner)
    client.post(url("create", org), offer())
    long_ago = timezone.now() - timedelta(minutes=5)
    Mail.objects.update(state="sent", settled_at=long_ago)
    Invitation.objects.update(sent_at=long_ago)
    for address in (
        f"{url('deliveries', org)}?since=2020-01-01T00:00:00&until=2099-01-01T00:00:00",
        url("list", org),
    ):
        page = polled(client, address)
        assert "hx-trigger" not in page
    assert client.get(url("deliveries", org)).url == url("list", org)


def test_mails_of_others_are_not_followed(as_user, org, owner, send, dead_server):
    send("theirs@example.org", by=Actor(make_member(org, "admin")))
    page = polled(
        as_user(owner), f"{url('deliveries', org)}?since=2020-01-01T00:00:00Z&until=2099-01-01T00:00:00Z"
    )
    assert "0 sent" in page and "theirs" not in page


def test_a_link_that_cannot_be_renewed_yet_says_for_how_long(as_user, org, owner, send):
    result = send()
    page = as_user(owner).get(url("list", org)).content.decode()
    assert re.search(r"New link in (5\d|60) s", page) and url("renew", org, result.invitation.pk) not in page
    rested(result)
    assert url("renew", org, result.invitation.pk) in as_user(owner).get(url("list", org)).content.decode()


def test_pages_say_when_no_mail_server_is_set_up(as_user, org, owner, settings, send):
    client = as_user(owner)
    for setting, expected in ((False, True), (True, False)):
        settings.MAIL_IS_SET_UP = setting
        for name in ("list", "create"):
            said = "No mail server is set up" in client.get(url(name, org)).content.decode()
            assert said is expected


def test_renew_shows_the_new_link_and_mails_it(as_user, org, owner, send, settings, mailoutbox):
    settings.MAIL_IS_SET_UP = True
    result = send()
    client = as_user(owner)
    response = client.post(url("renew", org, result.invitation.pk))
    assert response.status_code == 409
    assert "You can create a new link in" in response.content.decode()
    rested(result)
    response = client.post(url("renew", org, result.invitation.pk))
    deliver_due()
    [token] = set(re.findall(r"/invite/([\w-]{43})/", response.content.decode()))
    assert token != result.token
    assert [token in message.body for message in mailoutbox] == [True], "the mail of the old link stays here"
    assert client.get(accept_url(result)).status_code == 404
    assert done() == ["invitation.sent", "invitation.renewed"]


def test_revoke_answers_htmx_with_the_rows_and_forms_with_the_page(as_user, org, owner, send):
    first, second = send("a@example.org").invitation, send("b@example.org").invitation
    client = as_user(owner)
    response = client.post(url("revoke", org, first.pk), headers={"HX-Request": "true", "HX-Target": "rows"})
    page = response.content.decode()
    assert "<html" not in page and "b@example.org" in page and f"invitation-{first.pk}" not in page
    assert client.post(url("revoke", org, second.pk)).url == url("list", org)
    assert done().count("invitation.revoked") == 2


def test_list_searches_filters_and_marks_dead_links(as_user, org, owner, send):
    second = make_member(org, "admin")
    send("grace@example.org", by=Actor(second))
    send("late@example.org")
    Invitation.objects.filter(email="late@example.org").update(expires_at=timezone.now())
    second.membership.delete()
    client = as_user(owner)

    def emails(query):
        return {row.email for row in client.get(url("list", org) + query).context["page"]}

    assert emails("") == {"grace@example.org", "late@example.org"}
    assert emails("?q=GRA") == {"grace@example.org"}
    assert emails("?state=expired") == {"late@example.org"}
    assert emails("?state=invited") == {"grace@example.org"}
    assert emails("?state=delivery_failed") == emails("?q=nobody") == set()
    assert "Link inactive" in client.get(url("list", org)).content.decode()


def test_list_needs_as_many_queries_for_three_rows_as_for_one(as_user, org, owner, send, team):
    client, counts = as_user(owner), []
    client.get(url("list", org))
    for number in range(3):
        send(f"p{number}@example.org", teams=[team], by=Actor(make_member(org, "admin")))
        with CaptureQueriesContext(connection) as queries:
            client.get(url("list", org))
        counts.append(len(queries))
    assert counts == [counts[0]] * 3
    assert counts[0] <= 18


def test_split_addresses():
    text = "Ada <ADA@example.org>; bob@example.org\r\ncy@example.org dee@example.org,, bob@example.org"
    assert split(text) == [
        "ada@example.org",
        "bob@example.org",
        "cy@example.org",
        "dee@example.org",
    ]


def test_create_offers_the_dialog_for_htmx(as_user, org, owner):
    page = as_user(owner).get(url("create", org), headers={"HX-Request": "true", "HX-Target": "modal"})
    assert "dialog-head" in page.content.decode() and "<html" not in page.content.decode()
