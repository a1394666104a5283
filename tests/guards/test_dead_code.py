"""Nothing is kept for tests alone: every name of ours is used by code, by a template or by a command."""

import ast
import re
from functools import cache
from importlib import import_module

import pytest

from .imports import source_of
from .walk import PACKAGES, ROOT, modules

# Names that someone outside our code looks for, each with who does.
CALLED_FOR = {
    "Command": "Django: the command of a module",
    "app_name": "Django: the names of a urls.py",
    "urlpatterns": "Django: the pages of a urls.py",
    "handler400": "Django: the page of an error",
    "handler429": "allauth: the page of an error",
    "DatabaseWrapper": "Django: the backend of a database",
    "CredentialsConfig": "Django: the app of a package",
    "ElsewhereConfig": "Django: the app of a package",
    "keep": "the script that boxes are started with",
    "as_postgresql": "Django: an expression for this database",
    "_network_backend": "httpx: how a pool opens connections",
    "openapi_bearerFormat": "ninja: an entry of the document",
    "get_full_name": "Django: the history in admin",
    "max_mem": "re2: an option",
    "log_errors": "re2: an option",
    "run_command": "dulwich: a connection over ssh",
    "can_read": "dulwich: of a connection over ssh",
    "readlines": "dulwich: of a connection over ssh",
}
SETTINGS = "zenpro_site.settings"  # read by name, by Django and others
WORD = re.compile(r"\w+")


def docstrings(tree: ast.Module) -> set[ast.AST]:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    firsts = [node.body[0] for node in ast.walk(tree) if isinstance(node, kinds) and node.body]
    return {first.value for first in firsts if isinstance(first, ast.Expr)}


def texts(tree: ast.Module) -> list[str]:
    """What stands in quotes, without docstrings."""
    said = docstrings(tree)
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in said]
    return [node.value for node in constants if isinstance(node.value, str)]


@cache
def beside() -> frozenset[str]:
    """What uses our code and is no Python of ours: templates, scripts, settings of tools, benchmarks."""
    found = [*(ROOT / "templates").rglob("*.*"), *(ROOT / "static/js").glob("*.js"), ROOT / "pyproject.toml"]
    found += [path for path in (ROOT / "benchmarks").rglob("*.py")]
    return frozenset(word for path in found for word in WORD.findall(path.read_text()))


@cache
def words() -> frozenset[str]:
    """Every name that is read, passed or said anywhere."""
    found = set(beside())
    for module in modules().values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                found.add(node.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                found.add(node.attr)
            elif isinstance(node, ast.keyword) and node.arg:
                found.add(node.arg)
        found.update(*map(WORD.findall, texts(module.tree)))
    return frozenset(found)


@cache
def used() -> frozenset[str]:
    """Dotted names that some module of ours reads: its own, those it imports, and attributes of modules it imports."""
    return frozenset().union(*(_used_by(name) for name in modules()))


def _used_by(name: str) -> set[str]:
    found, known = set(), {}
    tree = modules()[name].tree
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{source_of(name, node)}.{alias.name}"
                known[alias.asname or alias.name] = full
                found.add(full)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.add(f"{name}.{node.id}")
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in known:
            found.add(f"{known[node.value.id]}.{node.attr}")
    return found


def names_of(statement: ast.stmt) -> list[str]:
    """What a statement at the top of a module defines; what is decorated is known to who decorates it."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [] if statement.decorator_list and not is_dataclass(statement) else [statement.name]
    targets = getattr(statement, "targets", [getattr(statement, "target", None)])
    if not isinstance(statement, ast.Assign | ast.AnnAssign):
        return []
    return [
        node.id for target in targets for node in ast.walk(target)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]  # fmt: skip


def is_dataclass(statement: ast.stmt) -> bool:
    return all(ast.unparse(one).startswith("dataclass") for one in statement.decorator_list)


def defined() -> list[str]:
    """Every name at the top of a module of ours, dotted."""
    return [
        f"{module.name}.{name}"
        for module in modules().values()
        if module.name != SETTINGS
        for statement in module.tree.body
        for name in names_of(statement)
        if not name.startswith("__")
    ]


def is_needed(dotted: str) -> bool:
    name = dotted.rpartition(".")[2]
    return dotted in used() or name in CALLED_FOR or dotted in said() or name in beside()


@cache
def said() -> frozenset[str]:
    """Dotted names in quotes."""
    quoted = [text for module in modules().values() for text in texts(module.tree)]
    return frozenset(word for text in quoted for word in re.findall(r"[\w.]+", text))


def test_every_name_of_a_module_is_used():
    assert [dotted for dotted in defined() if not is_needed(dotted)] == []


def methods():
    """(class, name) of every method and attribute of our classes that no class of others asks for."""
    for module in modules().values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef) and hasattr(owner := import_module(module.name), node.name):
                yield from _own(getattr(owner, node.name), node)


def _own(found: type, node: ast.ClassDef):
    others = [base for base in found.__mro__ if base.__module__.split(".")[0] not in PACKAGES]
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef):
            asked_for = any(hasattr(base, statement.name) for base in others) or is_registered(statement)
            if not asked_for and not statement.name.startswith(("__", "clean_")):
                yield found, statement.name


def is_registered(method: ast.FunctionDef) -> bool:
    """Does a decorator hand it to someone?"""
    plain = ("property", "cached_property", "classmethod", "staticmethod", "contextmanager")
    return any(ast.unparse(one).rpartition(".")[2] not in plain for one in method.decorator_list)


def test_every_method_is_used():
    """By its name, wherever that is read; what a class of others calls is its business."""
    unused = [f"{owner.__name__}.{name}" for owner, name in methods() if name not in words()]
    assert [one for one in unused if one.rpartition(".")[2] not in CALLED_FOR] == []


@pytest.mark.parametrize("name", CALLED_FOR)
def test_exceptions_are_there(name):
    assert any(re.search(rf"\b{name}\b", ast.unparse(one.tree)) for one in modules().values()), "Take it out."
