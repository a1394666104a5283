"""One mailbox is one person, however its address is written, and wherever that is."""

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from factories import PASSWORD, make_key, make_member, make_user

from orgs.domains.actions import lets_in
from orgs.domains.models import OrganizationDomain
from orgs.invitations import actions
from orgs.invitations.actions import Offer, Sending, account_of, is_expected
from orgs.invitations.bulk import read
from orgs.users.models import Actor, User
from orgs.users.social import _address
from tests.guards.walk import ROOT
from zenpro_site.common.mailboxes import (
    is_address,
    is_written_plainly,
    normal,
    pasted,
    split,
    why_no_address,
)

HIDDEN = ["\ufeff", "\u200b", "\u200d", "\u2060", "\u200e", "\xad"]
WRITTEN = [
    ("ADA@Example.org", "ada@example.org"),
    (" ada@example.org\n", "ada@example.org"),
    ("ada@example.org.", "ada@example.org"),
    ("ａｄａ＠ｅｘａｍｐｌｅ．ｏｒｇ", "ada@example.org"),
    ("ada@Bücher.example", "ada@xn--bcher-kva.example"),
    ("ada@bu\u0308cher.example", "ada@xn--bcher-kva.example"),
    ("ada@faß.example", "ada@xn--fa-hia.example"),
    ("ada@例え。テスト", "ada@xn--r8jz45g.xn--zckzah"),
]
PASTED = [
    ("mailto:eve@example.org", "eve@example.org"),
    ("MAILTO:eve@example.org?subject=Hello", "eve@example.org"),
    ("<eve@example.org>", "eve@example.org"),
    ('"Eve" <eve@example.org>', "eve@example.org"),
    ("Eve <mailto:eve@example.org>", "eve@example.org"),
    ("'eve@example.org'", "eve@example.org"),
    ("“eve@example.org”", "eve@example.org"),
    ("(eve@example.org)", "eve@example.org"),
    ("eve@example.org,", "eve@example.org"),
    ("o'brien@example.org", "o'brien@example.org"),
]


@pytest.mark.parametrize(("written", "read"), WRITTEN)
def test_normal(written, read):
    assert normal(written) == pasted(written) == read
    assert normal(read) == read


@pytest.mark.parametrize("hidden", HIDDEN)
def test_what_cannot_be_seen_makes_no_other_person(hidden):
    for written in (
        f"{hidden}ada@example.org",
        f"ada{hidden}@example.org",
        f"ada@exa{hidden}mple.org{hidden}",
    ):
        assert normal(written) == "ada@example.org"


@pytest.mark.parametrize(("written", "read"), PASTED)
def test_pasted(written, read):
    assert pasted(written) == read


@pytest.mark.parametrize(
    "written", ["jörg@example.org", "ada", "ada@", "@example.org", "a b@example.org", "ada@-x.org"]
)
def test_what_cannot_be_sent_to_says_why(written):
    assert not is_address(normal(written))
    assert why_no_address(normal(written)).endswith(".")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('"Lovelace, Ada" <ada@x.org>, "Hopper; Grace" <grace@x.org>', ["ada@x.org", "grace@x.org"]),
        ("Lovelace, Ada <ada@x.org>; Hopper, Grace <grace@x.org>", ["ada@x.org", "grace@x.org"]),
        ("Ada <ada@x.org> Grace <grace@x.org>", ["ada@x.org", "grace@x.org"]),
        ("ada@x.org, Grace <grace@x.org>", ["ada@x.org", "grace@x.org"]),
        ("mailto:ada@x.org;ADA@x.org", ["ada@x.org"]),
        ("Ada <ada>", ["ada"]),
    ],
)
def test_split(text, found):
    assert split(text) == found


def test_the_list_of_the_case_file():
    text = (ROOT / "tests" / "orgs" / "invitations" / "invite_list.txt").read_text()
    lines = read(text)
    names = ["ada", "grace", "linus", "alan", "bob", "eve"]
    assert [line.address for line in lines] == [f"{name}@example.org" for name in names]
    assert lines[0].role == "Viewer"
    assert all(is_address(line.address) for line in lines)
    assert split(text)[-5:] == [f"{name}@example.org" for name in names[1:]]


def test_a_look_alike_of_a_member_is_that_member(org, owner):
    bob = make_member(org, user=make_user("bob@example.org"))
    for written in ("bob@exa\u200bmple.org", "\ufeffBOB@example.org", "ｂｏｂ@example.org"):
        [result] = actions.invite(
            organization=org, addresses=[written], offer=Offer(org.roles.get(slug="member")), by=Actor(owner)
        )
        assert result.outcome == Sending.MEMBER
        assert account_of(written) == bob


def test_an_invitation_waits_for_every_spelling(org, owner):
    offer = Offer(org.roles.get(slug="member"))
    results = actions.invite(
        organization=org,
        addresses=["eve@Bücher.example", "eve@xn--bcher-kva.example", "jörg@x.org"],
        offer=offer,
        by=Actor(owner),
    )
    assert [result.outcome for result in results] == [Sending.SENT, Sending.INVITED, Sending.INVALID]
    assert "before the @" in results[2].note
    assert is_expected("EVE@bücher.example")


def test_by_the_api(org, owner, client):
    headers = {"Authorization": f"Bearer {make_key(owner).secret}"}
    body = {"emails": ["mailto:eve@example.org", "\ufeffEVE@example.org"]}
    path = f"/api/v1/organizations/{org.slug}/invitations"
    answer = client.post(path, body, content_type="application/json", headers=headers)
    assert [one["email"] for one in answer.json()] == ["eve@example.org"]


def test_an_account_has_one_form(db):
    made = make_user("Ada@Bücher.example")
    assert made.email == "ada@xn--bcher-kva.example"
    assert account_of("ada@bücher.example") == made
    assert User.objects.get_by_natural_key("ADA@Bücher.example") == made


def test_an_account_of_before_is_found(db):
    old = make_user("ada@example.org")
    User.objects.filter(pk=old.pk).update(email="ada@bücher.example")
    assert account_of("Ada@Bücher.example") == old
    answer = Client().post("/accounts/login/", {"login": "ada@bücher.example", "password": PASSWORD})
    assert answer.status_code == 302


def test_signing_in_and_resetting_with_another_spelling(db, client):
    make_user("ada@xn--bcher-kva.example")
    client.post("/accounts/password/reset/", {"email": "ada@bücher.example"})
    assert mail.outbox[0].to == ["ada@xn--bcher-kva.example"] and "password" in mail.outbox[0].subject
    answer = client.post("/accounts/login/", {"login": "ADA@bücher.example", "password": PASSWORD})
    assert answer.status_code == 302


def test_a_change_of_address(db, as_user):
    ada = make_user("ada@example.org")
    client = as_user(ada)
    question = client.post("/accounts/email/", {"email": "ada@Bücher.example", "action_add": ""})
    client.post(question.url, {"password": PASSWORD})
    assert EmailAddress.objects.filter(user=ada, email="ada@xn--bcher-kva.example").exists()


def test_django_admin_knows_a_look_alike(superuser, as_user):
    make_user("ada@example.org")
    secret = "correct horse battery"
    values = {"name": "Ada", "password1": secret, "password2": secret}
    answer = as_user(superuser).post("/admin/users/user/add/", values | {"email": "ａｄａ@example.org"})
    assert answer.status_code == 200
    assert User.objects.filter(email__startswith="ada@").count() == 1


def test_domains(org, superuser):
    OrganizationDomain.objects.create(organization=org, domain="xn--bcher-kva.example")
    assert lets_in("ada@Bücher.example") and lets_in("ada@bu\u0308cher.\u200bexample")
    assert not lets_in("ada@example.org")


@pytest.mark.parametrize(
    ("said", "trusted"),
    [
        ("Ada@Example.org", True),
        ("ada@Bücher.example", True),
        ("ａｄａ@example.org", False),  # some provider may give it to somebody else than ada
        ("a\u200bda@example.org", False),
        ("ada@exa\u200bmple.org", False),
        ('"x" <ada@example.org>', False),
        ("mailto:ada@example.org", False),
        ("", False),
    ],
)
def test_a_provider_vouches_for_the_mailbox_as_it_is_written(said, trusted):
    _, verified = _address({"userinfo": {"email": said, "email_verified": True}})
    assert verified is trusted
    assert is_written_plainly(said) is trusted
