"""One name one thing: no two classes of ours are called the same, and no two modules but for a reason."""

import ast
from collections import defaultdict

import pytest

from .walk import modules

# Names that several classes may have, each with its reason.
SHARED = {
    "Command": "Django looks for it in the module of every command",
    "User": "the name in the public document of the API",
}
CONVENTIONAL = {"models", "views", "forms", "actions", "urls", "admin", "apps", "0001_initial"}
SHARED_MODULES = {
    "gate": "the door of an organization, and that of a tenant, which begins with the first",
    "base": "the protocol of a package, or what Django looks for in a database backend",
    "hosting": "one in each backend",
    "access": "who may do what with the things of its package",
    "seed": "a command, and what it does",
    "static_files": "a command, and what it does",
    "serve": "the start of a tenant's server on this machine, and the command that becomes the web process",
    "tenants": "the API and the checks of an installation have a module for each kind of thing",
    "members": "who is in a tenant, and the API to change it",
    "grants": "roles on tenants, and the API to change them",
    "member_views": "pages of a tenant's members, and of an organization's",
}


def homes() -> dict[str, list[str]]:
    """Class -> the modules that have one of this name; a class inside another is named by that one too."""
    found = defaultdict(list)
    for module in modules().values():
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef):
                found[node.name].append(module.name)
    return found


def test_no_two_classes_have_one_name():
    twice = {name: where for name, where in homes().items() if len(where) > 1 and name not in SHARED}
    assert twice == {}


@pytest.mark.parametrize("name", SHARED)
def test_exceptions_are_there(name):
    assert len(homes()[name]) > 1, "Take it out of the list."


def modules_by_name() -> dict[str, list[str]]:
    found = defaultdict(list)
    for module in modules().values():
        found[module.name.rpartition(".")[2]].append(module.name)
    return {name: where for name, where in found.items() if len(where) > 1}


def test_modules_share_a_name_only_for_a_reason():
    packages = {part for module in modules() for part in module.split(".")[:-1]}
    assert modules_by_name().keys() - CONVENTIONAL - packages == SHARED_MODULES.keys() - packages
