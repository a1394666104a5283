"""Layers, sizes and habits of the code, read from its syntax trees."""

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from .imports import imports_of
from .walk import ROOT, modules

LONGEST_FUNCTION = 36
LONGEST_VIEWS = 300
# Files of views that may name a manager, each with its reason.
MANAGER_IN_VIEWS = {
    "zenpro_site/views.py": "the home page chooses the first organization, so there is none on the request yet",
    "tenants/control_plane/client_views.py": "a client asks for all organizations of its person, none is on the request",
}


def test_imports_go_in_one_direction():
    try:
        TopologicalSorter({name: imports_of(name) for name in modules()}).prepare()
    except CycleError as error:
        pytest.fail(f"Modules import each other: {' <- '.join(error.args[1])}")


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
    """File of views -> line of a `.objects` in it."""
    return {
        module.where: node.lineno
        for module in modules().values()
        if module.name.endswith("views")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr in ("objects", "_default_manager")
    }


def test_views_begin_at_the_request():
    assert managers_in_views().keys() == MANAGER_IN_VIEWS.keys(), (
        f"Begin at request.org or request.tenant, and take what is gone out of the list: {managers_in_views()}"
    )


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


def test_names_of_tests_are_the_same_in_every_process():
    """Parallel processes give out tests by name. An object's name is a number of its own; a text is its own name."""
    changing = re.compile(r"parametrize\(.*(str\(uuid4\(\)\)|\{uuid4\(\)|secrets\.token|token_urlsafe)")
    files = [path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)]
    wrong = [
        f"{path}: {line}" for path in files for line in path.read_text().splitlines() if changing.search(line)
    ]
    assert not wrong, "\n".join(wrong)
