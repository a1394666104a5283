"""What the guards walk: our URLs, our modules, our templates. New ones are covered by being there."""

import ast
import gc
import re
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.urls import URLPattern, get_resolver

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("orgs", "tenants", "zenpro_site")
PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


@dataclass(frozen=True)
class Page:
    """One URL of ours. `route` as written in urls.py, `name` with its namespace."""

    route: str
    name: str
    view: object

    @property
    def parameters(self) -> list[str]:
        return PARAMETER.findall(self.route)

    def path(self, values: dict) -> str:
        """The address with every parameter filled in from `values`."""
        return "/" + PARAMETER.sub(lambda found: str(values[found[1]]), self.route)

    @property
    def methods(self) -> frozenset[str]:
        """What its require_... decorator lets through; GET and POST when it has none."""
        view = self.view
        while view is not None:
            names = view.__code__.co_freevars
            if "request_method_list" in names:
                return frozenset(view.__closure__[names.index("request_method_list")].cell_contents)
            view = getattr(view, "__wrapped__", None)
        return frozenset({"GET", "POST"})

    def __str__(self) -> str:
        return self.name or self.route


def _walk(patterns, prefix="", namespace=""):
    for entry in patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern):
            name = f"{namespace}:{entry.name}" if namespace and entry.name else entry.name or ""
            yield Page(route, name, entry.callback)
        else:
            yield from _walk(entry.url_patterns, route, entry.app_name or namespace)


@cache
def all_pages() -> tuple[Page, ...]:
    """Every URL whose view is in one of our packages; tests/test_admin.py walks the admin."""
    pages = [page for page in _walk(get_resolver().url_patterns) if not page.name.startswith("admin:")]
    return tuple(page for page in pages if page.view.__module__.split(".")[0] in PACKAGES)


@cache
def admin_pages() -> tuple[Page, ...]:
    """Every URL of Django admin, whoever wrote its view."""
    return tuple(page for page in _walk(get_resolver().url_patterns) if page.name.startswith("admin:"))


@cache
def organization_pages() -> tuple[Page, ...]:
    """Every URL below /o/."""
    return tuple(page for page in all_pages() if page.route.startswith("o/"))


@dataclass(frozen=True)
class Module:
    name: str
    path: Path
    tree: ast.Module

    @property
    def where(self) -> str:
        return str(self.path.relative_to(ROOT))


@cache
def modules() -> dict[str, Module]:
    """Our Python modules by dotted name, without migrations."""
    with no_collection():
        return _modules()


@contextmanager
def no_collection():
    """What is collected while Python makes a tree may parse something itself, to tell of an error: then Python 3.11 loses
    count of its depth, and raises SystemError.
    """
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _modules() -> dict[str, Module]:
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" in path.parts:
                continue
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = Module(name, path, ast.parse(path.read_text()))
    return found


@cache
def templates() -> tuple[Path, ...]:
    return tuple(sorted((ROOT / "templates").rglob("*.html")))


def shown(path: Path) -> str:
    """A path as a person writes it."""
    return str(path.relative_to(ROOT))
