"""The audit page can tell every kind of event that the code records."""

import ast
import re

from orgs.audit.sentences import SENTENCES

from .walk import modules

ACTION = re.compile(r"[a-z_]+\.[a-z_]+")


def recorded() -> dict[str, str]:
    """Action -> where, from the first literal argument of every call of a function named ...record or _end."""
    found = {}
    for module in modules().values():
        for call in (node for node in ast.walk(module.tree) if isinstance(node, ast.Call)):
            name = getattr(call.func, "attr", getattr(call.func, "id", ""))
            if not name.endswith("record") and name != "_end":
                continue
            literals = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
            found |= {
                value: f"{module.where}:{call.lineno}"
                for value in literals
                if isinstance(value, str) and ACTION.fullmatch(value)
            }
    return found


def test_every_recorded_action_has_a_sentence():
    missing = {action: where for action, where in recorded().items() if action not in SENTENCES}
    assert not missing, f"Write their sentences into orgs/audit/sentences.py: {missing}"


def test_no_sentence_is_left_over():
    left = set(SENTENCES) - set(recorded())
    assert not left, f"Nothing records {left} any more."
