"""Choosing who gets a role: a list in small organizations, a search in large ones."""

import pytest
from django import forms
from django.urls import reverse
from factories import make_member, make_org, make_team, make_tenant, tenant_role

from tenants.access import holder_fields
from tenants.access.holder_fields import HolderField, holder_value, suggestions
from tenants.models import TenantGrant

SEARCH = {"HX-Request": "true", "HX-Target": "holders"}


@pytest.fixture
def large(monkeypatch):
    """Every organization is too large for a list."""
    monkeypatch.setattr(holder_fields, "LISTED", -1)


@pytest.fixture
def field(org, large):
    return HolderField(org=org)


@pytest.fixture
def tenant(org):
    return make_tenant(org, "prod")


def give_page(tenant):
    return reverse("tenants:grant_give", args=[tenant.organization.slug, tenant.slug])


# Refusals


@pytest.mark.parametrize(
    "text", ["nobody", "otto outside", "team:no", "person:1", "person:", "team:" + "0" * 32]
)
def test_who_is_not_here_is_not_found(text, field, outsider):
    with pytest.raises(forms.ValidationError, match="No team or member has that name"):
        field.clean(text)


def test_holders_of_another_organization_are_not_found(field):
    other = make_org("Next door")
    for holder in (make_team(other), make_member(other).membership):
        with pytest.raises(forms.ValidationError, match="No team or member"):
            field.clean(holder_value(holder))


def test_a_name_that_two_have_is_refused(field, org):
    make_member(org, name="Eva Lang")
    make_member(org, name="Eva Klein")
    with pytest.raises(forms.ValidationError, match="Several teams or members have that name"):
        field.clean("eva")


def test_disabled_people_are_not_offered_and_not_taken(field, org, member):
    member.is_active = False
    member.save()
    assert suggestions(org, "dana") == []
    with pytest.raises(forms.ValidationError, match="No team or member"):
        field.clean(member.email)


def test_nothing_is_refused_only_where_something_is_needed(org, field):
    with pytest.raises(forms.ValidationError, match="required"):
        field.clean("")
    assert HolderField(org=org, required=False).clean("") is None


# What works


@pytest.mark.parametrize("text", ["Dana Petrova", "dana", "petrova DANA"])
def test_people_are_found_by_name(text, field, member):
    assert field.clean(text) == member.membership


def test_people_are_found_by_address_and_by_number(field, member):
    assert field.clean(member.email.upper()) == member.membership
    assert field.clean(holder_value(member.membership)) == member.membership


def test_an_address_means_its_person_though_others_contain_it(field, org):
    short = make_member(org, username="ann").membership
    make_member(org, username="joann")
    assert field.clean("ann@example.org") == short


def test_teams_are_found_by_name(field, org):
    team = make_team(org, "ml-eng")
    assert field.clean("ml-eng") == field.clean(" ML-Eng ") == field.clean(holder_value(team)) == team


def test_an_address_that_names_a_holder_shows_the_name(field, org, member):
    team = make_team(org, "ml-eng")
    assert field.prepare_value(holder_value(team)) == "ml-eng"
    assert field.prepare_value(holder_value(member.membership)) == member.email
    assert field.prepare_value("person:gone") == ""
    assert field.prepare_value("as typed") == "as typed"


def test_suggestions_are_teams_first_and_few(org, member):
    for number in range(12):
        make_team(org, f"petrova-{number:02}")
    assert suggestions(org, "nobody") == []
    assert suggestions(org, "dana") == [(member.email, "Dana Petrova")]
    assert suggestions(org, "petrova")[0] == ("petrova-00", "Team")
    assert len(suggestions(org, "petrova")) == 8


def test_small_organizations_have_a_list(as_user, owner, tenant, member):
    page = as_user(owner).get(give_page(tenant)).content.decode()
    assert '<select name="holder"' in page and "Dana Petrova" in page and "datalist" not in page


def test_large_ones_have_a_search(large, as_user, owner, tenant, member):
    client = as_user(owner)
    page = client.get(give_page(tenant)).content.decode()
    assert '<select name="holder"' not in page and "Dana Petrova" not in page
    assert 'list="holders"' in page and '<datalist id="holders">' in page
    found = client.get(give_page(tenant), {"holder": "dana"}, headers=SEARCH).content.decode()
    assert f'<option value="{member.email}">Dana Petrova</option>' in found and "<form" not in found


def test_a_role_is_given_to_who_was_typed(large, as_user, owner, org, tenant, member):
    data = {"holder": "Dana Petrova", "role": tenant_role(org, "viewer").pk}
    as_user(owner).post(give_page(tenant), data)
    assert TenantGrant.objects.get(tenant=tenant).holder == member.membership


def test_what_was_typed_wrong_comes_back_with_its_reason(large, as_user, owner, org, tenant):
    data = {"holder": "Dora", "role": tenant_role(org, "viewer").pk}
    answer = as_user(owner).post(give_page(tenant), data)
    page = answer.content.decode()
    assert answer.status_code == 422 and 'value="Dora"' in page and "No team or member has that name" in page
    assert not TenantGrant.objects.filter(tenant=tenant).exists()


def test_a_new_tenant_searches_too(large, as_user, owner, org, member):
    client, create = as_user(owner), reverse("tenants:create", args=[org.slug])
    assert client.get(create).content.decode().count('list="holders"') == 2
    found = client.get(create, {"access-1-holder": "petrova"}, headers=SEARCH).content.decode()
    assert "Dana Petrova" in found


def test_who_may_not_give_roles_searches_nothing(as_user, viewer, tenant, org):
    client = as_user(viewer)
    assert client.get(give_page(tenant), {"holder": "dana"}, headers=SEARCH).status_code == 404
    create = reverse("tenants:create", args=[org.slug])
    assert client.get(create, {"access-0-holder": "dana"}, headers=SEARCH).status_code == 403
