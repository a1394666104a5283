"""Sign-in through a provider: a real one, in a second process."""

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.mfa.totp.internal.auth import TOTP
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse
from factories import PASSWORD, make_service_account, make_user

from orgs.audit.models import AuditEvent
from orgs.domains.models import OrganizationDomain
from orgs.invitations import actions as invitations
from orgs.members.actions import remove_member
from orgs.users.actions import deactivate_person
from orgs.users.models import Actor, User
from orgs.users.social import SocialAdapter
from tests.oidc_provider.running import Provider
from zenpro_site.common.refusals import Refused
from zenpro_site.oidc_settings import Oidc, load_oidc
from zenpro_site.settings import env

from .totp import code_of

pytestmark = pytest.mark.zenml  # real processes, though not ZenML's

START = "/accounts/oidc/sso/login/"


@pytest.fixture(scope="session")
def running(tmp_path_factory):
    provider = Provider(tmp_path_factory.mktemp("provider"))
    yield provider
    provider.close()


@pytest.fixture
def provider(running, settings, db):
    """The provider, and ZenPro told of it."""
    use(settings, running.url)
    return running


def use(settings, issuer, **more):
    settings.ZENPRO_OIDC = Oidc(issuer, "zenpro", "client-secret", "Acme SSO", **more)
    settings.SOCIALACCOUNT_PROVIDERS = settings.ZENPRO_OIDC.allauth


@pytest.fixture
def sign_in(provider, client):
    """sign_in("ada", email=..., verified=True): the answer to the way back from the provider."""

    def go(who, email="", *, verified=True, name="", start=START, browser=client):
        person = {"email": email, "name": name} | ({"verified": "1"} if verified else {})
        outward = browser.get(start)
        assert outward.status_code == 302, outward.content
        return browser.get(provider.let_in(outward.url, who, **person))

    return go


def me(client) -> User | None:
    return User.objects.filter(pk=client.session.get("_auth_user_id")).first()


def actions() -> list[str]:
    return [event.action for event in AuditEvent.objects.order_by("number")]


def text(answer) -> str:
    return answer.content.decode()


def assert_nothing_happened(client, people):
    assert me(client) is None
    assert (User.objects.count(), SocialAccount.objects.count()) == (people, 0)
    assert actions() == []


# -- refusals


def test_unverified_address_is_refused_even_when_it_could_come_in(sign_in, client, org, owner):
    OrganizationDomain.objects.create(organization=org, domain="example.org")
    for email in (owner.email, "new@example.org"):
        answer = sign_in("eve", email, verified=False)
        assert (answer.status_code, "is not confirmed" in text(answer)) == (403, True)
        assert_nothing_happened(client, people=1)


def test_no_address_at_all_is_refused(sign_in, client):
    assert sign_in("nobody").status_code == 403
    assert_nothing_happened(client, people=0)


def test_unknown_person_is_told_to_ask_for_an_invitation(sign_in, client, owner):
    answer = sign_in("stranger", "Stranger@elsewhere.example")
    assert answer.status_code == 403
    assert "There is no account for stranger@elsewhere.example" in text(answer)
    assert_nothing_happened(client, people=1)


def test_state_that_is_not_this_browsers_is_refused(provider, client, owner):
    outward = client.get(START)
    back = provider.let_in(outward.url, "ada", email=owner.email, verified="1")
    wrong = f"{urlsplit(back).path}?{urlencode({'code': parse_qs(urlsplit(back).query)['code'][0], 'state': 'x'})}"
    for browser, address in ((client, wrong), (Client(), back), (client, urlsplit(back).path)):
        answer = browser.get(address)
        assert (answer.status_code, "Sign-in failed" in text(answer)) == (403, True)
        assert_nothing_happened(browser, people=1)
    assert client.get(back).status_code == 302
    assert client.get(back).status_code == 403, "The way back works once."


def test_code_of_another_sign_in_is_refused(provider, owner):
    """Someone who saw a code can't use it: the verifier of that sign-in is in another session."""
    first, second = Client(), Client()
    stolen = provider.let_in(first.get(START).url, "ada", email=owner.email, verified="1")
    own = second.get(START).url
    state = parse_qs(urlsplit(own).query)["state"][0]
    assert "code_challenge" in own
    code = parse_qs(urlsplit(stolen).query)["code"][0]
    answer = second.get(f"{urlsplit(stolen).path}?{urlencode({'code': code, 'state': state})}")
    assert answer.status_code == 403 and me(second) is None


def test_deactivated_person_is_refused_the_first_time_and_later(sign_in, client, org, owner, member):
    deactivate_person(person=member, by=Actor(owner))
    assert sign_in("dana", member.email).url == reverse("account_inactive")
    assert me(client) is None and not SocialAccount.objects.exists()
    User.objects.filter(pk=member.pk).update(is_active=True)
    assert sign_in("dana", member.email).status_code == 302 and me(client) == member
    client.logout()
    deactivate_person(person=member, by=Actor(owner))
    assert sign_in("dana", member.email).url == reverse("account_inactive")
    assert me(client) is None


def test_service_account_is_refused(sign_in, client, org):
    robot = make_service_account(org)
    assert sign_in("robot", robot.email).url == reverse("account_inactive")
    assert me(client) is None and not SocialAccount.objects.exists()


def test_signed_in_people_cannot_tie_other_accounts_to_theirs(sign_in, client, owner, member):
    client.force_login(member)
    answer = sign_in("ada", owner.email, start=f"{START}?process=connect")
    assert answer.status_code == 403 and not SocialAccount.objects.exists()


def test_going_back_without_signing_in(provider, client):
    state = parse_qs(urlsplit(client.get(START).url).query)["state"][0]
    answer = client.get(f"{START}callback/?{urlencode({'error': 'access_denied', 'state': state})}")
    assert (answer.status_code, "without signing in" in text(answer)) == (403, True)


@pytest.mark.parametrize("done", ["registered", "connected"])
def test_two_windows_at_the_same_moment_make_one_account(done, sign_in, client, owner, monkeypatch, settings):
    settings.ZENPRO_OPEN_SIGNUP = True
    with monkeypatch.context() as other_window:
        other_window.setattr(f"orgs.users.actions.{done}", clash)
        answer = sign_in("twice", owner.email if done == "connected" else "twice@example.org")
    assert (answer.status_code, "Sign-in failed" in text(answer)) == (403, True)
    assert_nothing_happened(client, people=1)


def clash(**words):
    raise IntegrityError


def test_provider_that_does_not_answer(settings, client, db):
    use(settings, "http://127.0.0.1:9")
    answer = client.get(START)
    assert (answer.status_code, "is not responding" in text(answer)) == (502, True)


def test_wrong_secret_of_ours_ends_in_a_page(sign_in, settings, provider, client, owner):
    settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"][0]["secret"] = "other"
    assert sign_in("ada", owner.email).status_code == 403
    assert_nothing_happened(client, people=1)


def test_without_settings_there_is_nothing(client, db):
    assert client.get(START).status_code == 404
    assert START not in text(client.get(reverse("account_login")))


def test_pages_of_the_library_that_we_do_not_offer_lead_elsewhere(client, member):
    assert client.get("/accounts/3rdparty/signup/").url == reverse("account_login")
    client.force_login(member)
    assert client.get("/accounts/3rdparty/").url == reverse("users:settings")


# -- who is let in


def test_existing_account_is_found_by_its_address_once_and_by_the_provider_then(sign_in, client, org, owner):
    answer = sign_in("ada", owner.email.upper(), start=f"{START}?next=/settings/")
    assert (answer.url, me(client)) == ("/settings/", owner)
    [event] = AuditEvent.objects.all()
    assert (event.action, event.actor, event.via) == ("person.connected", owner, "page")
    owner.refresh_from_db()
    assert owner.check_password(PASSWORD), "The password stays."
    for address, verified in (("another@example.org", True), ("third@example.org", False)):
        client.logout()
        sign_in("ada", address, verified=verified)
        assert me(client) == owner
    assert actions() == ["person.connected"]
    assert User.objects.get().email == owner.email
    assert not SocialToken.objects.exists()


def test_second_factor_is_asked_for_after_the_provider(sign_in, client, owner):
    secret = "A" * 32
    TOTP.activate(owner, secret)
    page = reverse("mfa_authenticate")
    assert sign_in("ada", owner.email, start=f"{START}?next=/settings/").url == page
    assert me(client) is None and actions() == ["person.connected"]
    assert client.post(page, {"code": code_of(secret)}).url == "/settings/"
    assert me(client) == owner


def test_the_password_of_someone_who_never_proved_the_address_ends(sign_in, client, db):
    """Someone who created an account with Grace's address must not stay in it."""
    person = make_user("grace@example.org")
    EmailAddress.objects.create(user=person, email=person.email, verified=False, primary=True)
    thief = Client()
    thief.force_login(person)
    sign_in("grace", person.email)
    assert me(client) == person
    person.refresh_from_db()
    assert not person.has_usable_password()
    assert EmailAddress.objects.get().verified
    assert thief.get(reverse("users:settings")).status_code == 302


def test_a_claim_of_someone_else_to_an_address_does_not_keep_its_owner_out(sign_in, client, org, member):
    EmailAddress.objects.create(user=member, email="grace@example.org", verified=False)
    OrganizationDomain.objects.create(organization=org, domain="example.org")
    sign_in("grace-2", "grace@example.org")
    assert me(client).email == "grace@example.org" != member.email


def test_invitation_that_still_counts_opens_an_account(sign_in, client, org, owner):
    offer = invitations.Offer(org.roles.get(level="organization", slug="member"))
    [sent] = invitations.invite(
        organization=org, addresses=["Linus@example.org"], offer=offer, by=Actor(owner)
    )
    org.memberships.filter(user=owner).update(role="viewer")
    assert sign_in("linus", "linus@example.org").status_code == 403, "Its inviter lost the right."
    org.memberships.filter(user=owner).update(role="admin")
    path = urlsplit(sent.link).path
    answer = sign_in(
        "linus", "linus@example.org", name="Linus  Pauling", start=f"{START}?{urlencode({'next': path})}"
    )
    person = me(client)
    assert answer.url == path
    assert (person.name, person.username, person.email) == ("Linus Pauling", "linus", "linus@example.org")
    assert not person.has_usable_password() and not person.memberships.exists()
    address = EmailAddress.objects.get(user=person)
    assert (address.verified, address.primary) == (True, True)
    assert client.post(path).url == org.get_absolute_url()
    assert actions() == ["invitation.sent", "person.registered", "invitation.accepted"]


def test_open_sign_up_opens_an_account_with_a_username_no_one_had(sign_in, client, settings):
    settings.ZENPRO_OPEN_SIGNUP = True
    make_user("linus@example.org", is_active=False)
    answer = sign_in("linus-2", "linus@elsewhere.example")
    assert answer.url == reverse("home")
    assert (me(client).username, me(client).name) == ("linus-2", "")
    [event] = AuditEvent.objects.all()
    assert (event.action, event.after["through"], event.actor) == (
        "person.registered",
        "Acme SSO",
        me(client),
    )


def test_domain_opens_an_account_and_makes_its_owner_a_member(sign_in, client, org, owner):
    OrganizationDomain.objects.create(organization=org, domain="acme.example", role="viewer")
    answer = sign_in("mary", "mary@acme.example", name="Mary Jackson")
    assert client.get(answer.url).url == org.get_absolute_url()
    membership = org.memberships.get(user=me(client))
    assert membership.role == "viewer"
    assert actions() == ["person.registered", "member.joined"]
    remove_member(membership=membership, by=Actor(owner))
    client.logout()
    sign_in("mary", "mary@acme.example")
    assert me(client) and not me(client).memberships.exists()


def test_the_same_name_at_another_provider_is_another_person(db):
    keys = set()
    for issuer in ("https://one.example", "https://two.example"):
        said = {"id_token": {"iss": issuer, "sub": "7"}, "userinfo": {"sub": "7"}}
        login = type("Login", (), {"account": SocialAccount(extra_data=said), "user": User()})()
        SocialAdapter().populate_user(None, login, {})
        keys.add(login.account.uid)
    assert len(keys) == 2


SAID = {"iss": "https://one.example", "sub": "7", "email": "ada@example.org"}


@pytest.mark.parametrize(
    ("signed", "told", "known"),
    [
        (SAID | {"email_verified": True}, {"sub": "7"}, True),
        (SAID, {"sub": "7", "email": "ada@example.org", "email_verified": "true"}, True),
        (SAID, {"sub": "7", "email": "ada@example.org", "email_verified": "false"}, False),
        (SAID | {"email_verified": True}, {"sub": "7", "email": "root@example.org"}, False),
        (SAID, {"sub": "7"}, False),
    ],
)
def test_address_counts_when_the_same_document_says_that_it_is_verified(signed, told, known):
    account = SocialAccount(extra_data={"id_token": signed, "userinfo": told})
    login = type("Login", (), {"account": account, "user": User()})()
    SocialAdapter().populate_user(None, login, {})
    assert [one.email for one in login.email_addresses] == (["ada@example.org"] if known else [])


@pytest.mark.parametrize("said", [{"userinfo": {"sub": "7"}}, {"id_token": SAID, "userinfo": {"sub": "8"}}])
def test_documents_must_speak_of_one_person(said, rf, settings, member):
    use(settings, "https://one.example")
    account = SocialAccount(extra_data=said)
    login = type("Login", (), {"account": account, "state": {"process": "login"}, "is_existing": True})()
    request = rf.get("/")
    request.user = member
    with pytest.raises(Exception) as stopped:
        SocialAdapter().pre_social_login(request, login)
    assert stopped.value.response.status_code == 403


# -- pages and the switch


def test_button_carries_on_to_the_page_that_was_wanted(provider, client, org, owner):
    page = text(client.get(f"{reverse('account_login')}?next=/o/acme-ai/teams/"))
    assert "Sign in with Acme SSO" in page and f"{START}?next=%2Fo%2Facme-ai%2Fteams%2F" in page
    assert 'name="password"' in page
    offer = invitations.Offer(org.roles.get(level="organization", slug="member"))
    [sent] = invitations.invite(
        organization=org, addresses=["linus@example.org"], offer=offer, by=Actor(owner)
    )
    path = urlsplit(sent.link).path
    page = text(client.get(path))
    assert f"{START}?{urlencode({'next': path})}" in page and 'name="password"' in page


def test_foreign_address_to_go_on_to_is_ignored(sign_in, client, owner):
    assert sign_in("ada", owner.email, start=f"{START}?next=https://evil.example/").url == reverse("home")


def test_only_through_the_provider(sign_in, settings, provider, client, org, owner):
    use(settings, provider.url, only=True)
    settings.ZENPRO_OPEN_SIGNUP = True
    page = text(client.get(reverse("account_login")))
    assert "Sign in with Acme SSO" in page and 'name="password"' not in page
    tried = client.post(reverse("account_login"), {"login": owner.email, "password": PASSWORD})
    assert "Passwords are switched off" in text(tried) and me(client) is None
    client.post(reverse("account_reset_password"), {"email": owner.email})
    assert mail.outbox == []
    assert "You need an invitation" in text(client.get(reverse("account_signup")))
    offer = invitations.Offer(org.roles.get(level="organization", slug="member"))
    [sent] = invitations.invite(
        organization=org, addresses=["linus@example.org"], offer=offer, by=Actor(owner)
    )
    EmailAddress.objects.filter(user=owner).delete()
    address = EmailAddress.objects.create(user=owner, email=owner.email)
    client.post(reverse("account_confirm_email", args=[EmailConfirmationHMAC(address).key]))
    assert me(client) is None, "Nor by a link in a mail."
    page = text(client.get(urlsplit(sent.link).path))
    assert "Continue with Acme SSO" in page and 'name="password"' not in page
    with pytest.raises(Refused, match="Acme SSO"):
        invitations.accept_as_new(token=sent.token, name="Linus", password=PASSWORD, origin=None)
    sign_in("ada", owner.email)
    assert me(client) == owner


def test_sign_up_by_password_leaves_a_row(client, db, settings):
    settings.ZENPRO_OPEN_SIGNUP, settings.ACCOUNT_EMAIL_VERIFICATION = True, "mandatory"
    data = {"email": "Linus@example.org", "password1": PASSWORD, "password2": PASSWORD}
    assert client.post(reverse("account_signup"), data).status_code == 302
    [event] = AuditEvent.objects.all()
    assert (event.action, event.after["through"]) == ("person.registered", "password")
    assert event.after["username"] == "linus"


# -- settings


GOOD = {
    "ZENPRO_OIDC_ISSUER": "https://login.example.org/realms/acme/",
    "ZENPRO_OIDC_CLIENT_ID": "zenpro",
    "ZENPRO_OIDC_CLIENT_SECRET": "secret",
}


def load(monkeypatch, **values) -> Oidc | None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return load_oidc(env)


def test_settings_are_read_and_named(monkeypatch):
    assert load(monkeypatch) is None
    found = load(monkeypatch, **GOOD)
    assert (found.issuer, found.name, found.only) == (
        "https://login.example.org/realms/acme",
        "login.example.org",
        False,
    )
    found = load(
        monkeypatch,
        ZENPRO_OIDC_NAME="Acme SSO",
        ZENPRO_OIDC_ONLY="yes",
        ZENPRO_OIDC_ISSUER="https://login.example.org/.well-known/openid-configuration",
    )
    assert (found.issuer, found.name, found.only) == ("https://login.example.org", "Acme SSO", True)


@pytest.mark.parametrize("missing", GOOD)
def test_half_a_configuration_stops_the_start(missing, monkeypatch):
    with pytest.raises(ImproperlyConfigured, match=f"{missing} missing"):
        load(monkeypatch, **(GOOD | {missing: " "}))


def test_only_without_a_provider_stops_the_start(monkeypatch):
    with pytest.raises(ImproperlyConfigured, match="missing"):
        load(monkeypatch, ZENPRO_OIDC_ONLY="1")


def test_plain_http_is_for_this_machine_alone(monkeypatch):
    assert load(monkeypatch, **(GOOD | {"ZENPRO_OIDC_ISSUER": "http://127.0.0.1:9000"}))
    for issuer in ("http://login.example.org", "login.example.org"):
        with pytest.raises(ImproperlyConfigured, match="https://"):
            load(monkeypatch, **(GOOD | {"ZENPRO_OIDC_ISSUER": issuer}))
