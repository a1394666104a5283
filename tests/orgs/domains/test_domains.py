"""Domains of organizations: who becomes a member by signing in, and who does not."""

import pytest
from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.urls import reverse
from factories import PASSWORD, make_member, make_org, make_role, make_service_account, make_user

from orgs.audit.models import AuditEvent
from orgs.audit.sentences import plain
from orgs.domains.actions import add_domain, change_role, join, lets_in, remove_domain
from orgs.domains.admin import DomainForm
from orgs.domains.models import Departure, OrganizationDomain, domain_of
from orgs.members import actions
from orgs.roles import actions as role_actions
from orgs.users.models import Actor
from zenpro_site.common import refusals


def of(org, domain="acme.example", **fields) -> OrganizationDomain:
    return OrganizationDomain.objects.create(organization=org, domain=domain, **fields)


def person(address="mary@acme.example", *, verified=True, **fields):
    user = make_user(address, **fields)
    EmailAddress.objects.create(user=user, email=user.email, verified=verified, primary=True)
    return user


def recorded() -> list[str]:
    return [event.action for event in AuditEvent.objects.order_by("number")]


@pytest.fixture
def sign_in(client):
    def go(user):
        client.logout()
        data = {"login": user.email, "password": PASSWORD}
        return client.post(reverse("account_login"), data)

    return go


# -- refusals


def test_an_address_that_is_not_confirmed_joins_nothing(org):
    of(org)
    assert join(by=Actor(person(verified=False))) == []
    assert not org.memberships.exists()


@pytest.mark.parametrize(
    "address",
    ["mary@sub.acme.example", "mary@acme.example.org", "acme.example@other.org", "mary@notacme.example"],
)
def test_only_the_domain_itself_counts(address, org):
    of(org)
    assert join(by=Actor(person(address))) == [] and not lets_in(address)


def test_service_accounts_and_inactive_people_join_nothing(org):
    of(org)
    of(make_org(), "service.invalid")
    assert join(by=Actor(make_service_account(org))) == []
    assert join(by=Actor(person(is_active=False))) == []


def test_whoever_was_removed_or_left_is_not_put_back(org, owner, sign_in):
    """Also who came by an invitation, before there was a domain."""
    removed, left = (make_member(org, user=person(f"{name}@acme.example")) for name in ("mary", "lise"))
    actions.remove_member(membership=removed.membership, by=Actor(owner))
    actions.leave(membership=left.membership, by=Actor(left))
    of(org)
    for user in (removed, left):
        assert sign_in(user).url == reverse("home")
        assert not user.memberships.exists()
    assert set(Departure.objects.values_list("user", flat=True)) == {removed.pk, left.pk}


def test_an_invitation_makes_up_for_it_and_the_next_removal_is_remembered_too(org, owner):
    user = make_member(org, user=person())
    of(org)
    for _ in range(2):
        actions.remove_member(membership=org.memberships.get(user=user), by=Actor(owner))
        assert join(by=Actor(user)) == []
        make_member(org, user=user)
    assert Departure.objects.count() == 1


def test_a_role_the_organization_lacks_is_refused(org, superuser):
    make_role(make_org(), "Auditor", level="organization")
    for role in ("auditor", "developer"):
        with pytest.raises(refusals.Refused, match="no such role"):
            add_domain(
                domain=OrganizationDomain(organization=org, domain="a.example", role=role),
                by=Actor(superuser),
            )
    assert not OrganizationDomain.objects.exists() and recorded() == []


@pytest.mark.parametrize("wrong", ["acme", "@", "a b.example", "mary@acme.example", "-a.example", "1.2.3.4"])
def test_what_is_no_domain_is_refused(wrong, org):
    assert "domain" in DomainForm({"organization": org.pk, "domain": wrong, "role": "member"}).errors


def test_a_domain_belongs_to_one_organization(org):
    of(make_org())
    form = DomainForm({"organization": org.pk, "domain": " @ACME.example. ", "role": "member"})
    assert "belongs to an organization already" in str(form.errors)
    with pytest.raises(ValidationError, match="belongs to an organization"):
        OrganizationDomain(organization=org, domain="Acme.Example").full_clean()


def test_a_public_mail_provider_has_to_be_meant(org):
    data = {"organization": org.pk, "domain": "Gmail.com", "role": "member"}
    assert "Anyone can get an address at gmail.com" in str(DomainForm(data).errors["anybody"])
    assert DomainForm(data | {"anybody": "on"}).is_valid()


# -- joining


def test_signing_in_makes_people_members_once(org, sign_in):
    of(org, role="viewer")
    user = person("Mary@Acme.Example")
    assert sign_in(user).url == reverse("home")
    membership = org.memberships.get(user=user)
    assert membership.role == "viewer"
    [event] = AuditEvent.objects.all()
    assert (event.action, event.actor, event.organization, event.via) == ("member.joined", user, org, "page")
    assert plain(event) == "mary@acme.example joined as Viewer with an address at acme.example"
    sign_in(user)
    assert recorded() == ["member.joined"]


def test_members_keep_their_role(org, owner, sign_in):
    of(org, "example.org")
    sign_in(owner)
    assert org.memberships.get(user=owner).role == "admin" and recorded() == []


def test_account_without_addresses_counts_by_its_own(org):
    """A superuser made it, who vouches for the address."""
    of(org)
    assert join(by=Actor(make_user("mary@acme.example")))


def test_every_proved_address_counts(org):
    other = make_org()
    for organization, domain in ((org, "acme.example"), (org, "acme.test"), (other, "globex.example")):
        of(organization, domain)
    user = person("mary@elsewhere.example")
    for address, verified in (("m@acme.example", True), ("m@acme.test", True), ("m@globex.example", False)):
        EmailAddress.objects.create(user=user, email=address, verified=verified)
    [membership] = join(by=Actor(user))
    assert membership.organization == org and recorded() == ["member.joined"]


def test_internationalized_domains_are_compared_in_one_form(org):
    form = DomainForm({"organization": org.pk, "domain": "Bücher.example", "role": "member"})
    assert form.is_valid() and form.cleaned_data["domain"] == "xn--bcher-kva.example"
    assert domain_of("a@BÜCHER.example") == domain_of("a@xn--bcher-kva.example")
    assert domain_of("no address") == domain_of("") == ""
    assert domain_of("a@" + "x" * 70 + ".example")


# -- administration


def test_superuser_adds_changes_and_removes_in_the_administration(org, superuser, as_user):
    admin = as_user(superuser)
    add = reverse("admin:domains_organizationdomain_add")
    data = {"organization": org.pk, "domain": "@Acme.example", "role": "member"}
    assert admin.post(add, data | {"domain": "gmail.com"}).status_code == 200
    assert admin.post(add, data).status_code == 302
    domain = OrganizationDomain.objects.get()
    assert (domain.domain, domain.role, domain.created_by) == ("acme.example", "member", superuser)
    change = reverse("admin:domains_organizationdomain_change", args=[domain.pk])
    admin.post(change, {"role": "viewer", "domain": "other.example", "organization": make_org().pk})
    domain.refresh_from_db()
    assert (domain.domain, domain.role, domain.organization) == ("acme.example", "viewer", org)
    admin.post(reverse("admin:domains_organizationdomain_delete", args=[domain.pk]), {"post": "yes"})
    assert not OrganizationDomain.objects.exists()
    assert recorded() == ["domain.added", "domain.changed", "domain.removed"]
    assert {event.organization for event in AuditEvent.objects.all()} == {org}


def test_the_same_role_again_changes_nothing(org, superuser):
    domain = of(org)
    change_role(domain=domain, role="member", by=Actor(superuser))
    assert recorded() == []
    with pytest.raises(refusals.Refused):
        change_role(domain=domain, role="nothing", by=Actor(superuser))
    remove_domain(domain=domain, by=Actor(superuser))
    assert recorded() == ["domain.removed"]


def test_a_role_that_a_domain_gives_is_in_use(org, owner):
    role = make_role(org, "Auditor", level="organization", base="viewer")
    domain = of(org, role="auditor")
    with pytest.raises(refusals.Refused, match="in use"):
        role_actions.delete_role(role=role, by=Actor(owner))
    role_actions.delete_role(
        role=role, by=Actor(owner), replacement=org.roles.get(level="organization", slug="viewer")
    )
    domain.refresh_from_db()
    assert domain.role == "viewer"


def test_settings_page_shows_them_to_read_only(org, owner, as_user):
    path = reverse("orgs:settings", args=[org.slug])
    assert "Domains" not in as_user(owner).get(path).content.decode()
    make_role(org, "Night Watch", level="organization")
    of(org, role="night-watch")
    of(make_org(), "foreign.example")
    page = as_user(owner).get(path).content.decode()
    assert "acme.example" in page and "Night Watch" in page and "foreign.example" not in page
