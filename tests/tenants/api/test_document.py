"""The document and its page: all operations are there, and examples do what they say."""

import html
import re
import shlex

import pytest
from django.test import Client
from django.urls import reverse
from factories import (
    make_grant,
    make_key,
    make_member,
    make_team,
    make_template,
    make_template_run,
    make_tenant,
)

from tenants.api.document import document
from tenants.api.reference import groups

CODE = re.compile(r'aria-label="Example of [^"]*">(.*?)</pre>', re.DOTALL)


@pytest.fixture
def tenant(org, owner):
    tenant = make_tenant(org, "production")
    make_grant(tenant, owner, "admin")
    return tenant


def calls():
    return [one for group in groups({}, "") for one in group.operations]


class TestDocument:
    def test_anybody_may_read_it(self, client):
        answer = client.get("/api/v1/openapi.json")
        assert answer.status_code == 200 and answer.json() == document()

    def test_it_names_no_model_that_is_not_in_it(self):
        text = str(document())
        named = set(re.findall(r"#/components/schemas/([\w.-]+)", text))
        assert named and named <= set(document()["components"]["schemas"])

    def test_every_operation_says_how_it_can_end(self):
        for one in calls():
            answers = one.raw["responses"]
            assert {"401", "403", "422"} <= set(answers), one.id
            assert sum(status.startswith("2") for status in answers) == 1, one.id
            assert ("{" not in one.path) == ("404" not in answers), one.id

    def test_every_operation_needs_a_key_or_a_session(self):
        for one in calls():
            assert {name for way in one.raw["security"] for name in way} == {"Key", "Session"}, one.id


class TestPage:
    def test_it_is_for_those_who_signed_in(self, client):
        assert client.get("/api/v1/docs").url == reverse("account_login") + "?next=/api/v1/docs"

    def test_every_operation_is_on_it(self, as_user, owner, tenant):
        client, found = as_user(owner), ""
        for group in groups({}, ""):
            answer = client.get(reverse("api:docs"), {"group": group.slug})
            assert answer.status_code == 200
            found += answer.content.decode()
        missing = [one.id for one in calls() if f'id="{one.id}"' not in found]
        assert not missing

    def test_examples_that_read_run_as_they_stand(self, as_user, org, owner, tenant, member):
        make_team(org, members=[member])
        make_template_run(make_template(tenant), person=owner)
        key, client, ran = make_key(owner), as_user(owner), 0
        for group in groups({}, ""):
            page = client.get(reverse("api:docs"), {"group": group.slug}).content.decode()
            for example in CODE.findall(page):
                words = shlex.split(html.unescape(example).replace("\\\n", " "))
                if "-X" not in words and "_ID" not in words[2]:
                    header = words[words.index("-H") + 1].replace("$ZENPRO_KEY", key.secret).partition(": ")
                    answer = Client().get(words[2], headers={header[0]: header[2]})
                    assert answer.status_code == 200, (words[2], answer.content)
                    ran += 1
        assert ran >= 20

    def test_ids_of_what_a_person_does_not_see_are_not_on_it(self, as_user, org, owner, tenant):
        person, hidden = make_member(org), make_team(org)
        invitation = org.invitations.create(email="new@example.org", invited_by=owner, token_hash="x")
        client = as_user(person)
        page = "".join(
            client.get(reverse("api:docs"), {"group": group.slug}).content.decode()
            for group in groups({}, "")
        )
        vault = make_tenant(org, "vault")
        for secret in (hidden.uuid, invitation.pk, vault.slug, vault.pk, tenant.pk, owner.membership.pk):
            assert str(secret) not in page

    def test_without_an_organization(self, as_user, django_user_model):
        person = django_user_model.objects.create_user("solo@example.org")
        assert as_user(person).get("/api/v1/docs?group=teams").status_code == 200
        assert as_user(person).get("/api/v1/docs?group=nothing").status_code == 200
