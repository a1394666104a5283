"""Names hold nothing that steers a line or cannot be seen; what was stored before is shown isolated."""

import pytest
from allauth.mfa.models import Authenticator
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.urls import reverse
from factories import (
    make_key,
    make_member,
    make_role,
    make_service_account,
    make_team,
    make_tenant,
    make_user,
)

from orgs.audit.models import AuditEvent
from orgs.audit.sentences import plain, tell
from orgs.mails.actions import queue_mail
from orgs.models import Organization
from orgs.users.forms import AddPasskeyForm, EditPasskeyForm
from orgs.users.models import Actor, User
from tests.guards.walk import ROOT
from zenpro_site.common.names import plain_line, plain_text, without_odd

TURNED = "Ada \u202egnp.exe"  # reads "Ada exe.png"
ODD = [
    "\x01",
    "\x1b",
    "\x7f",
    "\u061c",
    "\u200b",
    "\u200e",
    "\u202a",
    "\u202e",
    "\u2028",
    "\u2066",
    "\u2069",
    "\ufeff",
    "\xad",
]
GOOD = ["Zoë", "名前", "آرش", "می\u200cخواهم", "👩\u200d💻 team", "O'Brien-Łukasz (EU)", "a" * 60]


@pytest.mark.parametrize("odd", ODD)
def test_odd_characters_are_refused(odd):
    for check in (plain_line, plain_text):
        with pytest.raises(ValidationError, match=f"U\\+{ord(odd):04X}"):
            check(f"a{odd}b")
    assert without_odd(f"a{odd}b") == "ab"


@pytest.mark.parametrize("name", GOOD)
def test_names_of_all_scripts_are_names(name):
    plain_line(name)
    assert without_odd(name) == name


def test_descriptions_have_lines_and_names_do_not():
    plain_text("a\r\n\tb")
    with pytest.raises(ValidationError, match="one line"):
        plain_line("a\nb")


def refused(response) -> bool:
    assert response.status_code in (200, 422), response.status_code
    return "U+202E" in response.content.decode()


@pytest.fixture
def world(org, owner):
    owner.is_superuser = True
    owner.save()
    return {
        "org": org,
        "team": make_team(org, "risk"),
        "role": make_role(org, "Reviewer"),
        "tenant": make_tenant(org, "forecast", name="Forecast"),
        "robot": make_service_account(org, "nightly"),
    }


def doors(world):
    """(address, fields) of every page on which somebody writes a name or a description."""
    org = world["org"].slug
    keys = {"team": world["team"].uuid, "role": world["role"].pk, "tenant": world["tenant"].slug}
    at = {
        name: reverse(name, args=[org, *(keys[part] for part in parts)])
        for name, parts in {
            "orgs:settings": (),
            "teams:create": (),
            "teams:edit": ("team",),
            "roles:create": (),
            "roles:edit": ("role",),
            "tenants:create": (),
            "tenants:settings": ("tenant",),
            "control_plane:account_create": (),
        }.items()
    }
    yield "/settings/", {"name": TURNED}
    yield reverse("orgs:create"), {"name": TURNED, "slug": "x"}
    yield at["orgs:settings"], {"name": "x", "description": TURNED}
    yield at["teams:create"], {"label": TURNED}
    yield at["teams:edit"], {"label": "x", "description": TURNED}
    yield at["roles:create"] + "?level=tenant", {"name": TURNED}
    yield at["roles:edit"], {"name": TURNED}
    yield at["tenants:create"], {"name": TURNED, "slug": "x"}
    yield at["tenants:settings"], {"name": "x", "description": TURNED}
    yield at["control_plane:account_create"], {"name": TURNED}
    yield "/settings/tokens/", {"label": TURNED, "days": "30"}


def test_every_form_refuses_them(world, owner, as_user):
    client = as_user(owner)
    passed = [address for address, values in doors(world) if not refused(client.post(address, values))]
    assert not passed


def test_the_api_refuses_them(world, owner, client):
    headers = {"Authorization": f"Bearer {make_key(owner).secret}"}
    org, tenant = f"/organizations/{world['org'].slug}", world["tenant"].slug
    team, role = world["team"].uuid, world["role"].pk
    calls = [
        ("post", "/organizations", {"name": TURNED, "slug": "x"}),
        ("patch", org, {"description": TURNED}),
        ("post", f"{org}/teams", {"name": TURNED}),
        ("patch", f"{org}/teams/{team}", {"description": TURNED}),
        ("post", f"{org}/roles", {"name": TURNED, "level": "tenant", "rights": []}),
        ("patch", f"{org}/roles/{role}", {"name": TURNED}),
        ("post", f"{org}/tenants", {"name": TURNED, "slug": "x"}),
        ("patch", f"{org}/tenants/{tenant}", {"description": TURNED}),
        ("post", f"{org}/service-accounts", {"name": TURNED}),
        ("post", "/tokens", {"name": TURNED}),
    ]
    for method, path, body in calls:
        call = getattr(client, method)
        answer = call(f"/api/v1{path}", body, content_type="application/json", headers=headers)
        assert answer.status_code == 422, (path, answer.content)
        assert "U+202E" in answer.content.decode(), (path, answer.content)


def test_django_admin_refuses_them(superuser, as_user, world):
    client = as_user(superuser)
    for path, values in (
        (f"orgs/organization/{world['org'].pk}/change/", {"name": TURNED, "slug": "x", "description": ""}),
        (
            "users/user/add/",
            {"email": "a@example.org", "name": TURNED, "password1": "x" * 12, "password2": "x" * 12},
        ),
    ):
        assert refused(client.post(f"/admin/{path}", values)), path
    assert not User.objects.filter(email="a@example.org").exists()


def test_commands_refuse_them(db):
    with pytest.raises(ValidationError, match="U\\+202E"):
        User.objects.create_superuser("ada@example.org", "x", name=TURNED)
    make_user(superuser=True)
    with pytest.raises(Exception, match="U\\+202E"):
        call_command("seed", organization=TURNED, members=1, tenants=1, teams=1, yes=True)
    assert not Organization.objects.filter(name=TURNED).exists()


def test_names_of_passkeys(db, rf):
    form = EditPasskeyForm({"name": TURNED}, instance=Authenticator(type="webauthn", data={"name": "x"}))
    assert "U+202E" in str(form.errors["name"])
    assert "name" in AddPasskeyForm.base_fields


def test_names_of_the_case_file_are_refused(as_user, member):
    given = (ROOT / "tests" / "site" / "common" / "person_name.txt").read_text().rstrip("\n")
    assert refused(as_user(member).post("/settings/", {"name": given}))


class TestStoredBefore:
    @pytest.fixture
    def ada(self, org):
        ada = make_member(org, "admin")
        User.objects.filter(pk=ada.pk).update(name=TURNED)
        ada.refresh_from_db()
        return ada

    def test_the_sentence_keeps_its_direction(self, ada, org):
        event = AuditEvent.objects.record(
            "team.created", make_team(org, "risk"), by=Actor(ada), organization=org
        )
        assert tell(event) == f"<b><bdi>{TURNED}</bdi></b> created team <b><bdi>risk</bdi></b>"
        assert plain(event) == "Ada gnp.exe created team risk"

    def test_mails_and_messages_leave_it_out(self, ada, org, as_user, settings):
        settings.MAIL_IS_SET_UP = True
        mail = queue_mail(
            organization=org, to="b@example.org", subject=f"{ada} invites", text=f"{ada}\ninvites"
        )
        assert mail.subject == "Ada gnp.exe invites"
        assert mail.read()["text"] == "Ada gnp.exe\ninvites"

    def test_pages_show_it(self, ada, org, as_user):
        page = as_user(ada).get(f"/o/{org.slug}/members/")
        assert page.status_code == 200 and "gnp.exe" in page.content.decode()
