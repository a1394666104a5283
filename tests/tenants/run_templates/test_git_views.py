"""The pages “Git access”: who may not, what is given, what is never shown, and code that is added with it."""

import pytest
from django.urls import reverse
from factories import make_grant, make_member, make_tenant

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.run_templates import actions, code_actions, git_actions
from tenants.run_templates.engine.code import CodeError
from tenants.run_templates.engine.deploy_keys import fingerprint_of
from tenants.run_templates.engine.git import Opener
from tenants.run_templates.models import GitAccess
from tests.tenants.runs.fakes import RUN_ID, connect_to

from .test_git_actions import HOST_KEY, OTHER_KEY, SSH, URL, host  # noqa: F401 - fixture

PLACE = "https://git.example.org/acme/churn"


@pytest.fixture
def manager(org, tenant, as_user):
    """A client of someone who manages templates there."""
    person = make_member(org, "member", name="Mo Manager")
    make_grant(tenant, person, "admin")
    return as_user(person)


@pytest.fixture
def by(org):
    return Actor(make_member(org, name="Bo Baker"))


@pytest.fixture
def key(tenant, by, host):  # noqa: F811
    return git_actions.make_deploy_key(tenant=tenant, url=SSH, by=by)


def url(name: str, tenant, *args) -> str:
    return reverse(f"run_templates:{name}", args=[tenant.organization.slug, tenant.slug, *args])


def text(response) -> str:
    return response.content.decode()


def deeds():
    return [*AuditEvent.objects.order_by("pk").values_list("action", flat=True)]


def test_who_only_adds_code_may_not_see_or_change_it(tenant, org, as_user, key):
    person = make_member(org, "member", name="Eve Editor")
    make_grant(tenant, person, "editor")
    editor = as_user(person)
    for name in ("git_detail", "git_remove"):
        assert editor.get(url(name, tenant, key.pk)).status_code == 403
    data = {"fingerprint": fingerprint_of(HOST_KEY)}
    for name in ("git_confirm", "git_read", "git_remove"):
        assert editor.post(url(name, tenant, key.pk), data).status_code == 403
    assert editor.post(url("git_list", tenant), {"url": URL, "token": "s3cret"}).status_code == 403
    key.refresh_from_db()
    assert (GitAccess.objects.get(), key.is_ready) == (key, False)


def test_what_another_tenant_keeps_is_not_found(org, manager, tenant, by, host):  # noqa: F811
    other = make_tenant(org, "staging")
    theirs = git_actions.make_deploy_key(tenant=other, url=SSH, by=by)
    data = {"fingerprint": fingerprint_of(HOST_KEY)}
    assert manager.get(url("git_detail", tenant, theirs.pk)).status_code == 404
    for name in ("git_confirm", "git_read", "git_remove"):
        assert manager.post(url(name, tenant, theirs.pk), data).status_code == 404
    theirs.refresh_from_db()
    assert not theirs.is_ready and theirs.place not in text(manager.get(url("git_list", tenant)))


@pytest.mark.parametrize(
    ("data", "field", "reason"),
    [
        ({"url": "ext::sh%20-c%20id", "token": "s"}, "url", "begins with https://"),
        ({"url": "git@-oProxyCommand=id:x"}, "url", "An ssh address looks like"),
        ({"url": URL}, "token", "A token is"),
        ({"url": SSH, "token": "s3cret"}, "token", "https addresses only"),
    ],
    ids=["ext", "option", "no-token", "token-for-ssh"],
)
def test_what_is_refused_is_told_at_its_field_and_the_token_is_not_sent_back(
    data, field, reason, tenant, manager
):
    response = manager.post(url("git_list", tenant), data)
    assert response.status_code == 422
    assert reason in " ".join(response.context["form"].errors[field])
    assert "s3cret" not in text(response)
    assert (GitAccess.objects.count(), deeds()) == (0, [])


def test_a_token_is_kept_replaced_and_removed_and_never_shown(tenant, manager):
    address = url("git_list", tenant)
    for token in ("s3cret", "0ther"):
        assert manager.post(address, {"url": URL, "token": token}).url == address
    access = GitAccess.objects.get()
    for page in (text(manager.get(address)), text(manager.get(access.get_absolute_url()))):
        assert PLACE in page and "s3cret" not in page and "0ther" not in page and access.sealed not in page
    remove = url("git_remove", tenant, access.pk)
    assert "Remove the token?" in text(manager.get(remove))
    assert manager.post(remove).url == address
    assert not GitAccess.objects.exists()
    assert deeds() == ["git_access.token_kept", "git_access.token_replaced", "git_access.removed"]


def test_from_an_address_to_a_confirmed_host(tenant, manager, host):  # noqa: F811
    response = manager.post(url("git_list", tenant), {"url": SSH, "token": ""})
    access = GitAccess.objects.get()
    assert response.url == access.get_absolute_url()
    page = text(manager.get(response.url))
    assert access.public_key in page and fingerprint_of(HOST_KEY) in page and "Not confirmed" in page
    assert "PRIVATE" not in page and access.sealed not in page
    confirm = url("git_confirm", tenant, access.pk)
    wrong = manager.post(confirm, {"fingerprint": fingerprint_of(OTHER_KEY)})
    assert (wrong.status_code, "read again since you compared it" in text(wrong)) == (422, True)
    assert manager.post(confirm, {"fingerprint": fingerprint_of(HOST_KEY)}).url == response.url
    assert "Confirmed" in text(manager.get(response.url)) and "host not confirmed" not in text(
        manager.get(url("git_list", tenant))
    )
    host["key"] = OTHER_KEY
    manager.post(url("git_read", tenant, access.pk))
    page = text(manager.get(response.url))
    assert fingerprint_of(OTHER_KEY) in page and "Not confirmed" in page


def test_a_host_that_does_not_answer_is_told(tenant, manager, key, monkeypatch):
    def gone(address, place):
        raise CodeError("The server can't be reached.")

    monkeypatch.setattr(git_actions, "host_key_of", gone)
    response = manager.post(url("git_read", tenant, key.pk))
    assert (response.status_code, "can&#x27;t be reached" in text(response)) == (422, True)
    response = manager.post(url("git_list", tenant), {"url": "git@example.org:other", "token": ""})
    assert response.context["form"].errors["url"] == ["The server can't be reached."]
    assert deeds() == ["git_access.key_made"]


def test_code_is_added_with_what_is_kept(tenant, org, as_user, server, monkeypatch, by):
    """By someone who could not have given it."""
    monkeypatch.setattr(actions, "connect", connect_to(server))
    git_actions.keep_token(tenant=tenant, url=URL, token="s3cret", by=by)
    person, asked = make_member(org, "member", name="Eve Editor"), []

    def freeze(url, revision, opener, place):
        asked.append((url, opener))
        raise CodeError("Nothing is fetched here.")

    monkeypatch.setattr(code_actions, "freeze_commit", freeze)
    make_grant(tenant, person, "editor")
    page = f"{url('code_add', tenant)}?run={RUN_ID}&way=git"
    response = as_user(person).post(page, {"url": URL, "revision": "", "token": ""})
    assert response.context["form"].errors["url"] == ["Nothing is fetched here."]
    assert asked == [(URL, Opener("s3cret"))]
    assert "Git access</a>" not in text(response)
