"""Layers, sizes and habits of the code, read from its syntax trees."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from .walk import ROOT, modules

# A module imports its own rank and lower ones, from any app.
RANKS = {
    "permissions": 0,
    "models": 1,
    "access": 2,
    "servers": 3,
    "actions": 4,
    "forms": 5,
    "views": 6,
    "admin": 6,
    "urls": 7,
}
TOP = 8  # commands, wsgi
MODEL_ORDER = [
    "orgs.users",
    "orgs",
    "orgs.audit",
    "orgs.teams",
    "orgs.roles",
    "orgs.domains",
    "orgs.mails",
    "orgs.invitations",
    "tenants",
    "tenants.hosting.elsewhere",
    "tenants.control_plane",
    "tenants.usage",
    "tenants.run_templates",
]
LONGEST_FUNCTION = 50
LONGEST_VIEWS = 300
# views.py that may name a manager, each with its reason.
MANAGER_IN_VIEWS = {
    "zenpro_site/views.py": "the home page chooses the first organization, so there is none on the request yet",
    "orgs/invitations/views.py": "a person accepts with nothing but the token of the link",
}


@cache
def imports_of(name: str) -> frozenset[str]:
    """Our modules that a module imports, absolute and relative, by dotted name."""
    module = modules()[name]
    is_package = module.path.name == "__init__.py"
    found = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = name.split(".")[: len(name.split(".")) - node.level + is_package] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            inner = {f"{source}.{alias.name}" for alias in node.names}
            found |= inner & set(modules()) or {source}
    return frozenset(found & set(modules())) - {name}


@cache
def rank(name: str) -> int:
    """Rank by name; a helper has the rank of the highest module it imports."""
    parts = name.split(".")
    if "management" in parts or parts[-1] in ("wsgi", "__main__"):
        return TOP
    if parts[-1] in RANKS:
        return RANKS[parts[-1]]
    own = RANKS["servers"] if "servers" in parts else 0
    return max([own, *(rank(imported) for imported in imports_of(name))])


def reach(name: str, seen=None) -> set[str]:
    seen = set() if seen is None else seen
    for imported in imports_of(name) - seen:
        seen.add(imported)
        reach(imported, seen)
    return seen


def test_imports_go_in_one_direction():
    try:
        TopologicalSorter({name: imports_of(name) for name in modules()}).prepare()
    except CycleError as error:
        pytest.fail(f"Modules import each other: {' <- '.join(error.args[1])}")


def test_modules_import_lower_ranks_only():
    wrong = [
        f"{module.where} imports {imported}"
        for name, module in modules().items()
        for imported in imports_of(name)
        if rank(imported) > rank(name)
    ]
    assert not wrong, wrong


def test_models_import_models_in_order():
    wrong = []
    for position, app in enumerate(MODEL_ORDER):
        later = {f"{other}.models" for other in MODEL_ORDER[position + 1 :]}
        wrong += [f"{app}.models imports {name}" for name in imports_of(f"{app}.models") & later]
    assert not wrong, wrong


def test_every_app_with_models_has_its_place():
    apps = {name.removesuffix(".models") for name in modules() if name.endswith(".models")}
    assert apps == set(MODEL_ORDER), "Put it into MODEL_ORDER."


def test_orgs_never_reaches_tenants():
    names = [name for name in modules() if name.split(".")[0] == "orgs"]
    wrong = {name: sorted(m for m in reach(name) if m.startswith("tenants")) for name in names}
    assert not any(wrong.values()), {name: found for name, found in wrong.items() if found}


def test_views_are_imported_by_urls_only():
    wrong = [
        f"{module.where} imports {imported}"
        for name, module in modules().items()
        for imported in imports_of(name)
        if imported.endswith(".views") and not name.endswith(".urls")
    ]
    assert not wrong, wrong


def functions():
    for module in modules().values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield module, node


def test_no_import_inside_a_function():
    wrong = [
        f"{module.where}:{inner.lineno}"
        for module, function in functions()
        for inner in ast.walk(function)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]
    assert not wrong, wrong


def test_functions_are_short():
    wrong = [
        f"{module.where}:{node.lineno} {node.name} has {node.end_lineno - node.lineno + 1} lines"
        for module, node in functions()
        if node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert not wrong, wrong


def test_view_modules_are_short():
    lengths = {m.where: len(m.path.read_text().splitlines()) for m in modules().values()}
    wrong = {where: n for where, n in lengths.items() if where.endswith("views.py") and n > LONGEST_VIEWS}
    assert not wrong, wrong


def managers_in_views() -> dict[str, int]:
    """views.py -> line of a `.objects` in it."""
    return {
        module.where: node.lineno
        for module in modules().values()
        if module.path.name == "views.py"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr in ("objects", "_default_manager")
    }


def test_views_begin_at_the_request():
    wrong = {where: line for where, line in managers_in_views().items() if where not in MANAGER_IN_VIEWS}
    assert not wrong, f"Begin at request.org or request.tenant: {wrong}"


def test_no_signals_and_no_thread_locals():
    words = {
        "receiver",
        "post_save",
        "pre_save",
        "post_delete",
        "pre_delete",
        "m2m_changed",
        "threading.local",
    }
    wrong = [
        f"{module.where}:{node.lineno} {ast.unparse(node)}"
        for module in modules().values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node).split("signals.")[-1] in words
    ]
    assert not wrong, wrong


def test_ruff_finds_nothing():
    """Complexity, statement counts, security and order of imports: limits are in pyproject.toml."""
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format=concise", "."],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_no_test_compares_clock_times():
    """What a machine at work does not keep is no test; waiting for something within a limit is."""
    clocks = ("perf_counter", "process_time", "total_seconds()) <", "total_seconds() <")
    wrong = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if path != Path(__file__) and any(clock in path.read_text() for clock in clocks)
    ]
    assert not wrong, wrong
