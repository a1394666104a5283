from django.urls import reverse
from django.utils import timezone
from factories import make_user

from orgs.audit.models import AuditEvent
from orgs.invitations import actions as invitations
from orgs.users.models import Actor


def invite(org, owner, address):
    offer = invitations.Offer(org.roles.get(level="organization", slug="member"))
    invitations.invite(organization=org, addresses=[address], offer=offer, by=Actor(owner))


def test_settings_and_welcome_need_a_sign_in(client, db):
    for name in ("users:settings", "users:no_organization"):
        assert reverse("account_login") in client.get(reverse(name)).url


def test_an_empty_name_is_an_error_at_the_field(as_user, member):
    response = as_user(member).post(reverse("users:settings"), {"name": " "})
    assert response.status_code == 422
    member.refresh_from_db()
    assert member.name == "Dana Petrova"


def test_settings_change_nothing_but_the_name(as_user, member):
    data = {"name": "Dana  P.", "email": "root@example.org", "is_superuser": "on", "username": "root"}
    assert as_user(member).post(reverse("users:settings"), data).url == reverse("users:settings")
    before = member.email
    member.refresh_from_db()
    assert (member.name, member.email, member.is_superuser) == ("Dana P.", before, False)
    event = AuditEvent.objects.get()
    assert (event.action, event.before, event.after) == (
        "person.renamed",
        {"name": "Dana Petrova"},
        {"name": "Dana P."},
    )


def test_settings_list_organizations_to_leave(as_user, org, member):
    page = as_user(member).get(reverse("users:settings")).content.decode()
    assert reverse("orgs:leave", args=[org.slug]) in page


def test_welcome_lists_the_invitations_of_a_person_without_a_link(as_user, org, owner):
    person = make_user("linus@example.org")
    invite(org, owner, "Linus@example.org")
    invite(org, owner, "grace@example.org")
    client = as_user(person)
    assert client.get(reverse("home")).url == reverse("users:no_organization")
    page = client.get(reverse("users:no_organization")).content.decode()
    assert "Acme AI" in page and "grace@" not in page and "/invite/" not in page
    org.invitations.update(expires_at=timezone.now())
    assert "Acme AI" not in client.get(reverse("users:no_organization")).content.decode()


def test_welcome_leads_a_superuser_to_the_first_organization(as_user, superuser):
    page = as_user(superuser).get(reverse("users:no_organization")).content.decode()
    assert reverse("orgs:create") in page


def test_welcome_leads_members_home(as_user, member):
    assert as_user(member).get(reverse("users:no_organization")).url == reverse("home")
