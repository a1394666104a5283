"""Who imports whom, read from the syntax trees."""

import ast
from functools import cache

from .walk import modules


@cache
def imports_of(name: str) -> frozenset[str]:
    """Our modules that a module imports, absolute and relative, by dotted name."""
    module = modules()[name]
    found = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = source_of(name, node)
            inner = {f"{source}.{alias.name}" for alias in node.names}
            found |= inner & set(modules()) or {source}
    return frozenset(found & set(modules())) - {name}


def source_of(name: str, node: ast.ImportFrom) -> str:
    """The module that is imported from. A program that is started by its path finds those beside it by their names."""
    beside = f"{package_of(name)}.{node.module}"
    if not node.level and node.module not in modules() and beside in modules():
        return beside
    base = name.split(".")[: len(name.split(".")) - node.level + is_package(name)] if node.level else []
    return ".".join([*base, *([node.module] if node.module else [])])


def is_package(name: str) -> bool:
    return modules()[name].path.name == "__init__.py"


def package_of(name: str) -> str:
    return name if is_package(name) else name.rpartition(".")[0]


def room_of(name: str, rooms: list[str]) -> str:
    """The innermost of these rooms that the module stands in; empty for none."""
    inside = [room for room in rooms if name == room or name.startswith(f"{room}.")]
    return max(inside, key=len, default="")


@cache
def floor() -> frozenset[str]:
    """Models, permissions, and what of their own package these need."""
    found = set()
    for name in modules():
        if name.rpartition(".")[2] in ("models", "permissions"):
            found |= {name} | _needed_beside(name)
    return frozenset(found)


def _needed_beside(name: str, seen=frozenset()) -> set[str]:
    beside = {one for one in imports_of(name) if package_of(one) == package_of(name)} - seen
    return beside.union(*(_needed_beside(one, seen | beside) for one in beside))


def height(name: str) -> str:
    """The package of a module, and whether it belongs to what the package keeps."""
    return package_of(name) + ("/keeps" if name in floor() else "")


def edges() -> set[tuple[str, str]]:
    """(package, package it imports from), each at its height."""
    return {
        (height(name), height(imported))
        for name in modules()
        for imported in imports_of(name)
        if height(name) != height(imported)
    }


def pairs() -> list[tuple[str, str]]:
    """Packages that import each other."""
    return sorted((one, other) for one, other in edges() if one < other and (other, one) in edges())
