"""One name one thing: no two classes of ours are called the same."""

import ast
from collections import defaultdict

import pytest

from .walk import modules

# Names that several classes may have, each with its reason.
SHARED = {
    "Command": "Django looks for it in the module of every command",
    "User": "the name in the public document of the API",
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
