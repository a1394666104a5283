"""The pages “Git access” in a real browser: they fit, they can be read, and a host is confirmed with the keyboard."""

import pytest
from factories import make_grant, make_member, make_org, make_tenant
from playwright.sync_api import expect

from orgs.users.models import Actor
from tenants.run_templates import git_actions
from tests.browsing import LOOKS, picture, problems, tab_to

from .test_git_actions import HOST_KEY, SSH, URL

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def key(transactional_db, monkeypatch):
    monkeypatch.setattr(git_actions, "host_key_of", lambda address, place: HOST_KEY)
    org = make_org("Acme AI")
    person = make_member(org, "admin", name="Ada Okafor")
    tenant = make_tenant(org, "production")
    make_grant(tenant, person, "admin", giver=person)
    git_actions.keep_token(tenant=tenant, url=URL, token="s3cret", by=Actor(person))
    return git_actions.make_deploy_key(tenant=tenant, url=SSH, by=Actor(person))


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_looks(visits, key, width, scheme):
    look = {"user": key.given_by, "width": width, "scheme": scheme}
    address = key.get_absolute_url()
    for name, path in {"list": f"{address}../", "remove": f"{address}remove/"}.items():
        page = visits.open(path, **look)
        assert problems(page) == []
        picture(page, f"{name}-{width}-{scheme}")
    page = visits.open(address, **look)
    assert problems(page) == []
    picture(page, f"key-{width}-{scheme}")
    tab_to(page, page.get_by_role("button", name="It matches: confirm"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("A host that shows another key gets nothing.")).to_be_visible()
    assert problems(page) == []
    picture(page, f"confirmed-{width}-{scheme}")
