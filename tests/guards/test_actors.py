"""Who did something is handed on as `by`, an Actor; nothing is hung on the person."""

import ast

import pytest

from .walk import modules

ACTORS = ("Actor", "Actor | None")


def hung(tree: ast.AST) -> list[int]:
    """Lines that put an `origin` on anything but the request."""
    found = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _is_hung(node)]
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return found + [call.lineno for call in calls if ast.unparse(call.func) == "setattr" and _names_it(call)]


def _is_hung(node: ast.Attribute) -> bool:
    return node.attr == "origin" and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) != "request"


def _names_it(call: ast.Call) -> bool:
    return len(call.args) > 1 and ast.unparse(call.args[1]) == "'origin'"


def unannotated(tree: ast.AST) -> list[str]:
    """Functions with a `by` that is not said to be an Actor. Lambdas have no way to say so."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    return [
        f"{getattr(node, 'name', 'lambda')}:{node.lineno}"
        for node in ast.walk(tree)
        if isinstance(node, kinds)
        for given in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        if given.arg == "by" and (given.annotation is None or ast.unparse(given.annotation) not in ACTORS)
    ]


def handed_people(tree: ast.AST) -> list[int]:
    """Lines that hand on a person where an actor belongs."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    given = (keyword for call in calls for keyword in call.keywords if keyword.arg == "by")
    return [
        keyword.value.lineno for keyword in given if ast.unparse(keyword.value).endswith((".user", ".person"))
    ]


@pytest.mark.parametrize("wrong", [hung, unannotated, handed_people])
def test_who_acts_is_an_argument(wrong):
    found = {module.where: lines for module in modules().values() if (lines := wrong(module.tree))}
    assert found == {}


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (hung, "request.user.origin = request.origin"),
        (hung, "person.origin, x = origin, 1"),
        (hung, "setattr(person, 'origin', origin)"),
        (unannotated, "def invite(*, address, by): ..."),
        (unannotated, "def invite(*, address, by: User): ..."),
        (unannotated, "def _record(action, by=None): ..."),
        (unannotated, "end = lambda key, by: revoke(key, by)"),
        (handed_people, "actions.leave(by=request.user)"),
        (handed_people, "_record('left', by=by.person)"),
    ],
)
def test_it_would_be_found(wrong, code):
    assert wrong(ast.parse(code))


@pytest.mark.parametrize(
    "code",
    [
        "request.origin = Origin()",
        "def invite(*, by: Actor): actions.invite(by=by)",
        "def end(by: Actor | None = None): record(by=request.actor)",
    ],
)
def test_what_is_right_is_let_through(code):
    tree = ast.parse(code)
    assert not (hung(tree) or unannotated(tree) or handed_people(tree))
