import pytest

from orgs.permissions import Permission
from orgs.roles.predefined_permissions import GROUPS, TENANT_ROLES
from orgs.roles.rights_grid import ICONS, ORGANIZATION_WORDS, TENANT_GROUPS, grid, summary


def test_every_organization_right_has_words():
    assert set(ORGANIZATION_WORDS) == set(Permission)


def test_every_group_has_an_icon():
    assert set(ICONS) == set(TENANT_GROUPS)


@pytest.mark.parametrize(
    ("role", "group", "words"),
    [
        ("admin", "Secrets", "Everything"),
        ("developer", "Pipelines & runs", "Read, create, update, share"),
        ("developer", "Models", "Read, create, update, share, promote"),
        ("developer", "Secrets", "Read, create, update, read values"),
        ("editor", "Secrets", "Read, create"),
        ("operator", "Pipelines & runs", "Read, create pipeline runs and snapshots and run metadata"),
        ("operator", "Connectors", "Read, use"),
        ("viewer", "Secrets", "Read"),
        ("viewer", "The tenant itself", "See it"),
        ("admin", "The tenant itself", "Everything"),
    ],
)
def test_summary_says_what_the_code_decides(role, group, words):
    assert summary(TENANT_ROLES[role][2], TENANT_GROUPS[group]) == words


def test_no_rights_are_no_words():
    assert summary(frozenset(), GROUPS["Secrets"]) == ""


def test_grid_has_every_resource_and_marks_what_is_given():
    rows = grid({"model:read", "model:promote"})
    assert sum(len(group) for group in rows.values()) == sum(len(group) for group in GROUPS.values())
    model = rows["Models"][0]
    assert [cell.given for cell in model.cells] == [True, False, False, False, False]
    assert [(cell.words, cell.given) for cell in model.special] == [("promote", True)]
