"""Tokens and deploy keys of git repositories: who gets in with them, where they go, and where they don't."""

import pytest
from factories import make_member, make_tenant

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.run_templates import code_actions, git_actions
from tenants.run_templates.code_actions import CodeRefused
from tenants.run_templates.engine.code import CodeError
from tenants.run_templates.engine.deploy_keys import fingerprint_of
from tenants.run_templates.engine.git import Opener, check_address
from tenants.run_templates.git_access import access_to, opener_of, sealed_for
from tenants.run_templates.models import GitAccess
from zenpro_site.common.sealing import unseal

URL, SSH = "https://git.example.org/acme/churn.git", "git@git.example.org:acme/churn.git"
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMvFVw6gxHMqy6tUsnYAHrPEf0mkCqqLPQUNm0WGFVbc"
OTHER_KEY = HOST_KEY.replace("IMvF", "IMvG")


@pytest.fixture
def by(org):
    return Actor(make_member(org, name="Bo Baker"))


@pytest.fixture
def host(monkeypatch):
    """What the host shows: host["key"]."""
    shown = {"key": HOST_KEY}
    monkeypatch.setattr(git_actions, "host_key_of", lambda address, place: shown["key"])
    return shown


@pytest.fixture
def fetched(monkeypatch):
    """What fetches were asked for, instead of fetching: (url, opener)."""
    asked = []

    def freeze(url, revision, opener, place):
        asked.append((url, opener))
        raise CodeError("Nothing is fetched here.")

    monkeypatch.setattr(code_actions, "freeze_commit", freeze)
    return asked


def deeds():
    return [*AuditEvent.objects.order_by("pk").values_list("action", flat=True)]


def keep(tenant, by, url=URL, token="s3cret"):
    return git_actions.keep_token(tenant=tenant, url=url, token=token, by=by)


def fetch(tenant, by, url=URL, token=""):
    facts = {"pipeline": "churn", "snapshot": {}, "revision": "", "by": by}
    with pytest.raises(CodeRefused) as refusal:
        code_actions.add_commit(tenant=tenant, url=url, token=token, **facts)
    return refusal.value.reason


@pytest.mark.parametrize(
    ("url", "token", "field"),
    [
        ("http://example.org/x", "s", "url"),
        ("https://ada:s@example.org/x", "s", "url"),
        (URL, "", "token"),
        (URL, "a\nb", "token"),
        (URL, "x" * 501, "token"),
        (SSH, "s", "token"),
    ],
    ids=["http", "within", "none", "lines", "long", "ssh"],
)
def test_tokens_that_are_refused(tenant, by, url, token, field):
    with pytest.raises(CodeRefused) as refusal:
        keep(tenant, by, url, token)
    assert (refusal.value.field, GitAccess.objects.count(), deeds()) == (field, 0, [])


def test_a_token_is_sealed_and_in_no_event(tenant, by):
    access = keep(tenant, by)
    assert "s3cret" not in access.sealed
    assert unseal(access.sealed) == {"place": "https://git.example.org/acme/churn", "secret": "s3cret"}
    event = AuditEvent.objects.get()
    assert event.after == {"address": "https://git.example.org/acme/churn"}
    assert (event.action, event.organization, event.actor) == (
        "git_access.token_kept",
        tenant.organization,
        by.person,
    )


def test_another_token_takes_the_place_of_the_first(tenant, by):
    first = keep(tenant, by)
    assert keep(tenant, by, URL.removesuffix(".git"), "0ther").pk == first.pk
    assert opener_of(GitAccess.objects.get()) == Opener("0ther")
    assert deeds() == ["git_access.token_kept", "git_access.token_replaced"]


def test_a_kept_token_opens_its_repository_and_no_other(tenant, by, fetched, org):
    keep(tenant, by)
    others = [
        "https://git.example.org/acme/other",
        "https://git.example.org:8443/acme/churn",
        "https://git.example.org.evil.org/acme/churn",
        "https://evil.org/acme/churn",
        "https://git.example.org/acme/churn/evil",
    ]
    for url in [URL, *others]:
        assert fetch(tenant, by, url) == "Nothing is fetched here."
    fetch(make_tenant(org, "staging"), by)
    assert fetched == [(URL, Opener("s3cret")), *((url, Opener()) for url in others), (URL, Opener())]


def test_a_token_that_is_given_comes_first_and_is_not_kept(tenant, by, fetched):
    keep(tenant, by)
    fetch(tenant, by, token="mine")
    assert fetched == [(URL, Opener("mine"))]
    assert opener_of(GitAccess.objects.get()) == Opener("s3cret")
    assert deeds() == ["git_access.token_kept"]


def test_what_was_sealed_for_another_repository_opens_nothing(tenant, by, fetched):
    access = keep(tenant, by)
    for sealed in (sealed_for("https://evil.org/x", "s3cret"), "no seal"):
        GitAccess.objects.update(sealed=sealed)
        assert "can't be read with ZenPro's keys" in fetch(tenant, by)
    assert fetched == [] and access_to(tenant, check_address(URL)) == access


def test_a_deploy_key_opens_when_its_host_is_confirmed(tenant, by, host, fetched):
    assert "needs a deploy key" in str(_refusal(lambda: Opener().secrets(check_address(SSH))))
    access = git_actions.make_deploy_key(tenant=tenant, url=SSH, by=by)
    assert access.public_key.startswith("ssh-ed25519 ") and access.public_key.endswith(
        f" zenpro-{tenant.slug}"
    )
    assert "Nobody has confirmed" in fetch(tenant, by, SSH)
    git_actions.confirm_host(access=access, fingerprint=fingerprint_of(HOST_KEY), by=by)
    assert fetch(tenant, by, SSH) == "Nothing is fetched here."
    ((_, opener),) = fetched
    assert opener.host_key == HOST_KEY and "OPENSSH PRIVATE KEY" in opener.private_key and not opener.token
    assert deeds() == ["git_access.key_made", "git_access.host_confirmed"]
    assert "PRIVATE" not in str([*AuditEvent.objects.values()])
    facts = {"address": "ssh://git@git.example.org/acme/churn", "host": fingerprint_of(HOST_KEY)}
    assert AuditEvent.objects.latest("pk").after == {**facts, "key": fingerprint_of(access.public_key)}


def _refusal(deed):
    with pytest.raises((CodeError, CodeRefused)) as refusal:
        deed()
    return refusal.value.reason


def test_one_deploy_key_for_a_repository(tenant, by, host):
    git_actions.make_deploy_key(tenant=tenant, url=SSH, by=by)
    same = "ssh://git@git.example.org/acme/churn"
    assert "Remove it first" in _refusal(lambda: git_actions.make_deploy_key(tenant=tenant, url=same, by=by))
    assert "begins with ssh://" in _refusal(
        lambda: git_actions.make_deploy_key(tenant=tenant, url=URL, by=by)
    )
    assert GitAccess.objects.count() == 1


def test_a_host_that_does_not_answer_leaves_nothing(tenant, by, monkeypatch):
    def gone(address, place):
        raise CodeError("The server can't be reached.")

    monkeypatch.setattr(git_actions, "host_key_of", gone)
    assert "can't be reached" in _refusal(lambda: git_actions.make_deploy_key(tenant=tenant, url=SSH, by=by))
    assert (GitAccess.objects.count(), deeds()) == (0, [])


def test_only_the_key_that_was_compared_is_confirmed(tenant, by, host):
    access = git_actions.make_deploy_key(tenant=tenant, url=SSH, by=by)
    confirm = lambda key: git_actions.confirm_host(access=access, fingerprint=fingerprint_of(key), by=by)
    assert "read again" in _refusal(lambda: confirm(OTHER_KEY))
    access.refresh_from_db()
    assert not access.is_ready
    confirm(HOST_KEY)
    confirm(HOST_KEY)
    assert deeds().count("git_access.host_confirmed") == 1


def test_another_key_of_the_host_has_to_be_confirmed_anew(tenant, by, host):
    access = git_actions.make_deploy_key(tenant=tenant, url=SSH, by=by)
    git_actions.confirm_host(access=access, fingerprint=fingerprint_of(HOST_KEY), by=by)
    git_actions.read_host_again(access=access, by=by)
    access.refresh_from_db()
    assert access.is_ready
    host["key"] = OTHER_KEY
    git_actions.read_host_again(access=access, by=by)
    access.refresh_from_db()
    assert (access.is_ready, access.host_key, access.host_confirmed_by) == (False, OTHER_KEY, None)
    event = AuditEvent.objects.latest("pk")
    assert (event.before["host"], event.after["host"]) == (
        fingerprint_of(HOST_KEY),
        fingerprint_of(OTHER_KEY),
    )


def test_what_is_removed_opens_nothing(tenant, by, fetched):
    git_actions.forget_access(access=keep(tenant, by), by=by)
    fetch(tenant, by)
    assert fetched == [(URL, Opener())]
    assert (GitAccess.objects.count(), deeds()[-1]) == (0, "git_access.removed")


def test_there_is_an_end_to_what_is_kept(tenant, by, monkeypatch):
    monkeypatch.setattr(git_actions, "MOST", 1)
    keep(tenant, by)
    keep(tenant, by, token="again")
    assert "at most 1 repositories" in _refusal(lambda: keep(tenant, by, "https://git.example.org/other"))
