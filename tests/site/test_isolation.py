"""Superusers are told when tenants are not isolated as well as they could be; nobody else is."""

import pytest
from factories import make_user

from tenants.hosting.local import box
from tenants.hosting.local.box import Isolation, IsolationKind
from zenpro_site.isolation import isolation

WORDS = {
    IsolationKind.BUBBLEWRAP: Isolation(IsolationKind.BUBBLEWRAP, "Held by bubblewrap."),
    IsolationKind.LANDLOCK: Isolation(
        IsolationKind.LANDLOCK, "Held by Landlock.", "Processes are seen.", "Allow user namespaces."
    ),
    IsolationKind.NONE: Isolation(
        IsolationKind.NONE, "Nothing holds them.", "Everything.", "Allow user namespaces."
    ),
}


@pytest.fixture
def found(monkeypatch):
    asked = []

    def choose(kind):
        def probe():
            asked.append(kind)
            return WORDS[kind]

        monkeypatch.setattr(box, "probe", probe)
        return asked

    return choose


def pages(org, settings):
    return [org.get_absolute_url(), f"/{settings.ADMIN_URL}"]


@pytest.mark.parametrize("kind", [IsolationKind.LANDLOCK, IsolationKind.NONE])
def test_superusers_are_told_of_weak_walls(as_user, org, superuser, settings, found, kind):
    found(kind)
    for page in pages(org, settings):
        text = as_user(superuser).get(page).content.decode()
        for words in (
            WORDS[kind].sentence,
            WORDS[kind].leaves_open,
            "Allow user namespaces.",
            "docs/security.md",
        ):
            assert words in text, page


def test_good_walls_need_no_words(as_user, org, superuser, settings, found):
    found(IsolationKind.BUBBLEWRAP)
    for page in pages(org, settings):
        assert "docs/security.md" not in as_user(superuser).get(page).content.decode()


def test_nobody_else_is_told_and_nothing_is_tried_for_them(as_user, org, owner, member, found):
    asked = found(IsolationKind.NONE)
    for person in (owner, member, make_user()):
        assert "Nothing holds them" not in as_user(person).get(org.get_absolute_url()).content.decode()
    assert asked == []


def test_other_pages_try_nothing(as_user, org, superuser, found):
    asked = found(IsolationKind.NONE)
    as_user(superuser).get(f"/o/{org.slug}/members/")
    assert asked == []


def test_an_accepted_risk_is_told_as_well(as_user, org, superuser, settings, found):
    found(IsolationKind.BUBBLEWRAP)
    settings.ZENPRO_ISOLATION = "none"
    assert isolation().kind is IsolationKind.NONE
    assert "ZENPRO_ISOLATION=none" in as_user(superuser).get(org.get_absolute_url()).content.decode()
