"""Saved views of the list of runs: private, bounded, nothing in them but what the list knows."""

import re
from uuid import uuid4

import pytest
from django.urls import reverse
from factories import make_grant, make_member, make_tenant

from tenants.models import SavedRunView


@pytest.fixture
def ada(org, tenant):
    ada = make_member(org, "member", name="Ada")
    make_grant(tenant, ada, "viewer")
    return ada


@pytest.fixture
def send(as_user, ada, tenant, server):
    def post(**data):
        return as_user(ada).post(address(tenant, "saved_views"), data)

    return post


def address(tenant, name):
    return reverse(f"tenants:{name}", args=[tenant.organization.slug, tenant.slug])


def views(user):
    return dict(SavedRunView.objects.filter(user=user).values_list("name", "query"))


def saved(tenant, user, name="Failed", query="status=failed"):
    facts = {"tenant": tenant, "organization": tenant.organization, "user": user}
    return SavedRunView.objects.create(**facts, name=name, query=query)


@pytest.mark.parametrize("name", ["", " ", "n" * 61, "a\u202eb"])
def test_names_that_cannot_be_are_refused(send, ada, name):
    assert send(do="save", name=name, query="status=failed").status_code == 422
    assert views(ada) == {}


def test_there_is_an_end(send, ada, tenant):
    for number in range(SavedRunView.MOST):
        saved(tenant, ada, f"v{number}")
    assert "Delete one first" in send(do="save", name="one more", query="").content.decode()
    assert send(do="save", name="v3", query="q=x").status_code == 302
    assert len(views(ada)) == SavedRunView.MOST and views(ada)["v3"] == "q=x"


@pytest.mark.parametrize("do", ["rename", "delete"])
def test_views_of_others_stay_as_they_are(send, ada, org, tenant, do):
    theirs = saved(tenant, make_member(org), "theirs")
    elsewhere = saved(make_tenant(org, "other"), ada, "elsewhere")
    for view in (theirs.pk, elsewhere.pk, uuid4(), "x"):
        assert send(do=do, view=view, name="mine").status_code == 302
    assert set(SavedRunView.objects.values_list("name", flat=True)) == {"theirs", "elsewhere"}


def test_only_what_the_list_knows_is_kept(send, ada, tenant):
    answer = send(
        do="save", name=" Failed  runs ", query="page=3&x=1&status=failed&q=&columns=metric:a.b&evil=//x"
    )
    assert (answer.status_code, answer.url) == (
        302,
        f"{address(tenant, 'runs')}?status=failed&columns=metric%3Aa.b",
    )
    assert views(ada) == {"Failed runs": "status=failed&columns=metric%3Aa.b"}


def test_views_are_tabs_of_their_owner(send, as_user, ada, org, tenant):
    saved(tenant, ada, "Failed", "q=a&status=failed")
    saved(tenant, make_member(org), "theirs")
    page = as_user(ada).get(f"{address(tenant, 'runs')}?status=failed&q=a&page=1").content.decode()
    assert re.search(r'href="\?q=a&amp;status=failed" aria-current="page">Failed', page)
    assert "theirs" not in page
    assert 'aria-current="page">All runs' in as_user(ada).get(address(tenant, "runs")).content.decode()


def test_view_is_renamed_and_deleted(send, ada, tenant):
    view = saved(tenant, ada)
    saved(tenant, ada, "Taken")
    assert send(do="rename", view=view.pk, name="Taken").status_code == 422
    assert send(do="rename", view=view.pk, name="Broken").status_code == 302
    assert set(views(ada)) == {"Broken", "Taken"}
    send(do="delete", view=view.pk)
    assert set(views(ada)) == {"Taken"}


def test_the_list_of_all_tenants_has_views_of_its_own(send, ada, as_user, org, tenant, server):
    saved(tenant, ada, "Failed")
    views_url = reverse("orgs:saved_views", args=[org.slug])
    answer = as_user(ada).post(views_url, {"do": "save", "name": "Failed", "query": "status=failed&page=2"})
    assert answer.url == reverse("orgs:runs", args=[org.slug]) + "?status=failed"
    assert SavedRunView.objects.get(tenant=None).organization == org
    page = as_user(ada).get(views_url).content.decode()
    assert page.count('aria-label="Rename Failed"') == 1
    both = SavedRunView.objects.filter(name="Failed").values_list("pk", flat=True)
    for view in both:
        as_user(ada).post(views_url, {"do": "delete", "view": view})
    assert [view.tenant for view in SavedRunView.objects.all()] == [tenant]
