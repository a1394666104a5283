"""Templates: partial names that load, and nothing the content security policy would block."""

import ast
import re

import pytest
from django.template.loader import get_template

from .walk import ROOT, modules, shown, templates

PARTIAL = re.compile(r"[\w./-]+\.html#[\w-]+")
COMMENT = re.compile(r"{#.*?#}|{%\s*comment.*?endcomment\s*%}|<!--.*?-->", re.DOTALL)
FORBIDDEN = {
    "style attribute": re.compile(r"<[^>]*\sstyle\s*=", re.IGNORECASE),
    "style element": re.compile(r"<style\b", re.IGNORECASE),
    "inline script": re.compile(r"<script\b(?![^>]*\bsrc=)", re.IGNORECASE),
    "event attribute": re.compile(r"<[^>]*\son[a-z]+\s*=", re.IGNORECASE),
    "hx-on": re.compile(r"\bhx-on\b|\bhx-on:", re.IGNORECASE),
    "script address": re.compile(r"javascript:", re.IGNORECASE),
    "evaluated htmx value": re.compile(r"""hx-(?:vals|headers)=["']?js:""", re.IGNORECASE),
}


def partial_names():
    """Every "page.html#name" written in our code, with where it is."""
    for module in modules().values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and PARTIAL.fullmatch(str(node.value)):
                yield pytest.param(node.value, id=f"{module.where}:{node.lineno}")


@pytest.mark.parametrize("name", list(partial_names()))
def test_partial_loads_and_its_name_is_an_id_in_the_page(name):
    template = get_template(name)
    page, _, partial = name.partition("#")
    source = get_template(page).template.source + get_template("base.html").template.source
    assert template and f'id="{partial}"' in source, f'{page} has no id="{partial}" for htmx to aim at.'


@pytest.mark.parametrize("path", templates(), ids=shown)
def test_template_compiles(path):
    assert get_template(str(path.relative_to(ROOT / "templates")))


@pytest.mark.parametrize("path", templates(), ids=shown)
def test_template_has_nothing_inline(path):
    text = COMMENT.sub("", path.read_text())
    found = [what for what, pattern in FORBIDDEN.items() if pattern.search(text)]
    assert not found, f"{shown(path)}: {', '.join(found)}. The content security policy blocks it."
