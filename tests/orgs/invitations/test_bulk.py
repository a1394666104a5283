"""Pasted lists: reading them, showing what they would do, sending what was shown."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from factories import make_member, make_team, make_tenant

from orgs.audit.models import AuditEvent
from orgs.invitations.bulk import read
from orgs.invitations.models import Invitation

from .test_actions import make_inviter
from .test_views import done, url


def lines_of(text):
    return [(line.address, line.role, line.teams) for line in read(text)]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a@x.org", [("a@x.org", "", [])]),
        ("A@x.org, Editor", [("a@x.org", "Editor", [])]),
        ("a@x.org, Editor, risk; fraud", [("a@x.org", "Editor", ["risk", "fraud"])]),
        ("a@x.org\tEditor\trisk", [("a@x.org", "Editor", ["risk"])]),
        ("a@x.org; Editor; risk; fraud", [("a@x.org", "Editor", ["risk", "fraud"])]),
        ('a@x.org,,"risk, old"', [("a@x.org", "", ["risk, old"])]),
        ("Ada <A@x.org>, Viewer", [("a@x.org", "Viewer", [])]),
        ("a@x.org, b@x.org; c@x.org d@x.org", [(f"{name}@x.org", "", []) for name in "abcd"]),
        ("email,role,team\n\n  \na@x.org,viewer,", [("a@x.org", "viewer", [])]),
        ("nonsense, Editor", [("nonsense", "Editor", [])]),
        ('"a@x.org', [("a@x.org", "", [])]),
        ('"a@x.org, Editor', [("a@x.org", "Editor", [])]),
        (", , ,", []),
        ("", []),
    ],
)
def test_read(text, lines):
    assert lines_of(text) == lines


def test_lines_keep_their_numbers():
    assert [line.number for line in read("email\n\na@x.org\nb@x.org, c@x.org\n")] == [3, 4, 4]


def asked(text, **more):
    return {"addresses": text, "role": "member", **more}


def states(response):
    return [(line.address, str(line.state)) for line in response.context["lines"]]


# Refusals


@pytest.mark.parametrize("name", ["bulk", "bulk_send"])
def test_only_who_may_invite_asks(as_user, org, editor, name):
    assert as_user(editor).post(url(name, org), asked("a@example.org")).status_code == 403
    assert not Invitation.objects.exists()


def test_each_line_says_why_it_is_left_out(as_user, org, owner, member, send):
    make_team(org, "risk-ml")
    send("waiting@example.org")
    text = f"""email, role, teams
new@example.org, editor, RISK-ML
{member.email}, Viewer
waiting@example.org
nonsense
x@example.org, Chief
y@example.org, Viewer, risk-ml; nowhere
NEW@example.org, Viewer"""
    response = as_user(owner).post(url("bulk", org), asked(text))
    assert states(response) == [
        ("new@example.org", "ready"),
        (member.email, "member"),
        ("waiting@example.org", "invited"),
        ("nonsense", "invalid"),
        ("x@example.org", "unknown"),
        ("y@example.org", "unknown"),
        ("new@example.org", "duplicate"),
    ]
    page = response.content.decode()
    for words in ("“Chief”", "“nowhere”", "on line 2", "1 of 7 will be invited", "Already a member"):
        assert words in page
    assert Invitation.objects.count() == 1, "a look sends nothing"
    assert done() == ["invitation.sent"]


def test_no_one_can_promise_more_than_they_may_give(as_user, org, send):
    make_team(org, "plain")
    make_team(org, "chiefs", org_role="admin")
    inviter = make_inviter(org, "team:manage")
    text = "a@example.org, Admin\nb@example.org, Member, chiefs\nc@example.org, Member, plain"
    response = as_user(inviter).post(url("bulk", org), asked(text))
    assert [state for _, state in states(response)] == ["unknown", "refused", "ready"]
    assert "can do more than you" in response.content.decode()


def test_teams_of_another_organization_are_unknown(as_user, org, owner, outsider):
    make_team(outsider.membership.organization, "theirs")
    response = as_user(owner).post(url("bulk", org), asked("a@example.org, Member, theirs"))
    assert states(response) == [("a@example.org", "unknown")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Paste at least one line"),
        (" ,\n,", "Paste at least one line"),
        ("\n".join(f"p{number}@example.org" for number in range(501)), "At most 500"),
    ],
)
@pytest.mark.parametrize("name", ["bulk", "bulk_send"])
def test_unusable_lists_are_refused(as_user, org, owner, name, text, words):
    response = as_user(owner).post(url(name, org), asked(text))
    assert response.status_code == 422
    assert words in response.context["form"].errors["addresses"][0]
    assert not Invitation.objects.exists()


def checked(client, org, data):
    page = client.post(url("bulk", org), data).content.decode()
    return {**data, "checked": re.search(r'name="checked" value="(\w+)"', page)[1]}


def test_what_was_not_shown_is_not_sent(as_user, org, owner):
    team = make_team(org)
    client, data = as_user(owner), asked("a@example.org")
    shown = checked(client, org, data)
    changes = [
        {"addresses": "a@example.org, Admin"},
        {"addresses": "a@example.org\nb@example.org"},
        {"role": "admin"},
        {"teams": [team.uuid]},
        {"checked": ""},
    ]
    for change in changes:
        response = client.post(url("bulk_send", org), {**shown, **change})
        assert response.status_code == 409
        assert "Nothing was sent" in response.content.decode()
    assert not Invitation.objects.exists() and done() == []


def test_a_list_without_a_good_line_sends_nothing(as_user, org, owner):
    response = as_user(owner).post(url("bulk_send", org), asked("nonsense"))
    assert response.status_code == 200 and "0 of 1 will be invited" in response.content.decode()
    assert "Send" not in response.content.decode().partition("<main")[2].partition("will be invited")[2]


# What it does


def test_send_gives_each_line_its_own_and_a_result(as_user, org, owner, member, settings):
    risk, fraud = make_team(org, "risk"), make_team(org, "fraud")
    tenant = make_tenant(org, "production")
    text = f"a@example.org, Editor, risk\r\nb@example.org\r\n{member.email}\r\nc@example.org, Chief"
    client = as_user(owner)
    data = asked(text, teams=[fraud.uuid], **{f"tenant-{tenant.pk}": "viewer"})
    response = client.post(url("bulk_send", org), checked(client, org, data))
    page = response.content.decode()
    assert response["Cache-Control"] == "no-store"
    first, second = (org.invitations.get(email=f"{name}@example.org") for name in "ab")
    assert (first.role, set(first.teams.all())) == ("editor", {risk, fraud})
    assert (second.role, set(second.teams.all())) == ("member", {fraud})
    assert [str(row.tenant_grants.get()) for row in (first, second)] == ["Viewer on production"] * 2
    tokens = re.findall(r"/invite/([\w-]{43})/</code>", page)
    assert [Invitation.objects.by_token(token).get() for token in tokens] == [first, second]
    assert "Already a member" in page and "Left out" in page and "“Chief”" in page
    assert page.count(tokens[0]) == 3, "shown, to copy, and in the copy of all"
    assert done() == ["invitation.sent"] * 2


def test_a_line_that_someone_invites_meanwhile_is_told(as_user, org, owner, send):
    client = as_user(owner)
    data = checked(client, org, asked("a@example.org\nb@example.org"))
    send("a@example.org")
    response = client.post(url("bulk_send", org), data)
    assert [str(result.outcome) for result in response.context["results"]] == ["invited", "sent"]


def test_looking_at_many_lines_takes_as_many_queries_as_at_one(as_user, org, owner, send):
    client, counts = as_user(owner), []
    make_team(org, "risk")
    client.post(url("bulk", org), asked("x@example.org"))
    for number in (1, 30):
        for one in range(number):
            make_member(org, email=f"m{number}-{one}@example.org")
        text = "\n".join(
            f"m{number}-{one}@example.org\nn{one}@example.org, Viewer, risk" for one in range(number)
        )
        with CaptureQueriesContext(connection) as queries:
            client.post(url("bulk", org), asked(text))
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_the_audit_log_names_every_invited(as_user, org, owner):
    client = as_user(owner)
    client.post(url("bulk_send", org), checked(client, org, asked("a@example.org, Editor\nb@example.org")))
    rows = AuditEvent.objects.filter(action="invitation.sent").order_by("id")
    assert [(row.target_label, row.after["role"]) for row in rows] == [
        ("a@example.org", "editor"),
        ("b@example.org", "member"),
    ]
