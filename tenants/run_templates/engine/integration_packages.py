"""Which packages ZenML's integrations need, read from its source without running any of it.

ZenML 0.98.0: the file zenml/integrations/<name>/__init__.py has one class with a list REQUIREMENTS, or a method
get_requirements() that puts lists and those of other integrations together. Where it decides (tensorflow by the
system), nothing is guessed: that integration counts as unread.
"""

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tenants.hosting.base import EnvironmentFailed
from tenants.run_templates.document.packages import together
from tenants.run_templates.document.stack_integrations import NAME
from tenants.run_templates.engine.run_environments import places_with

WHERE = "lib/python*/site-packages/zenml/integrations"
PACKAGE = "zenml.integrations."
LARGEST = 256 * 1024  # bytes of a file
DEEPEST = 3  # integrations that name others


@dataclass(frozen=True)
class IntegrationPackages:
    """`lines` as a template takes them; `unread`: integrations of which nothing is known here."""

    lines: list[str]
    unread: list[str]


class Unread(Exception):
    """What an integration needs is not written down in a way that is understood here."""


def packages_of(version: str, names: Iterable[str]) -> IntegrationPackages:
    """Packages of these integrations in this version of ZenML. Reads a small file for each, asks no server. Never raises.

    Only environments made of nothing but wheels are read: no one but the package index wrote them.
    """
    folder, lines, unread = _folder(version), [], []
    for name in names:
        try:
            lines += _read(folder, name)
        except Unread:
            unread.append(name)
    return IntegrationPackages(together(lines), unread)


def _folder(version: str) -> Path | None:
    """The integrations of the first environment of that version."""
    try:
        return next((found for place in places_with(version) for found in place.glob(WHERE)), None)
    except (EnvironmentFailed, OSError):
        return None


def _read(folder: Path | None, name: str, deep: int = 0) -> list[str]:
    """Raises Unread."""
    if folder is None or deep > DEEPEST or not NAME.fullmatch(name):
        raise Unread(name)
    found = [node for node in _parsed(folder / name / "__init__.py") if isinstance(node, ast.ClassDef)]
    classes = [one for one in found if any(_named(base) == "Integration" for base in one.bases)]
    if len(classes) != 1:
        raise Unread(name)
    return _Integration(folder, classes[0], deep).packages()


def _parsed(path: Path) -> list[ast.stmt]:
    try:
        with open(path, "rb") as file:
            text = file.read(LARGEST + 1)
        return ast.parse(text).body if len(text) <= LARGEST else []
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError, SystemError) as error:
        raise Unread(str(path)) from error


def _named(node: ast.AST | None) -> str:
    return node.id if isinstance(node, ast.Name) else ""


@dataclass
class _Integration:
    """The class of an integration. `known`: lists by the names they have in the method, `others`: imported classes."""

    folder: Path
    node: ast.ClassDef
    deep: int
    known: dict[str, list[str]] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)

    def packages(self) -> list[str]:
        methods = [one for one in self.node.body if isinstance(one, ast.FunctionDef)]
        asked = [one for one in methods if one.name == "get_requirements"]
        return self._returned(asked[0].body) if asked else self._own()

    def _own(self) -> list[str]:
        for one in self.node.body:
            if isinstance(one, ast.Assign | ast.AnnAssign) and "REQUIREMENTS" in map(_named, _targets(one)):
                return self._value(one.value)
        return []

    def _returned(self, body: list[ast.stmt]) -> list[str]:
        for one in body:
            if isinstance(one, ast.Return):
                return self._value(one.value)
            self._follow(one)
        raise Unread("It returns nothing.")

    def _follow(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Expr(value=ast.Constant()):
                pass  # its description
            case ast.ImportFrom(module=str(module)) if module.startswith(PACKAGE):
                name = module.removeprefix(PACKAGE)
                self.others |= {one.asname or one.name: name for one in statement.names}
            case ast.Assign(targets=[ast.Name(id=name)]):
                self.known[name] = self._value(statement.value)
            case ast.Expr(
                value=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="extend"), args=[more])
            ):
                self.known[name] = [*self._value(ast.Name(name)), *self._value(more)]
            case _:
                raise Unread("It decides.")

    def _value(self, node: ast.expr | None) -> list[str]:
        match node:
            case ast.List():
                return [_text(one) for one in node.elts]
            case ast.BinOp(op=ast.Add()):
                return [*self._value(node.left), *self._value(node.right)]
            case ast.Name(id=name) if name in self.known:
                return self.known[name]
            case ast.Attribute(value=ast.Name(id="cls"), attr="REQUIREMENTS"):
                return self._own()
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="get_requirements")):
                return _read(self.folder, self.others.get(name, ""), self.deep + 1)
        raise Unread("It is no list.")


def _targets(node: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise Unread("It is no text.")
