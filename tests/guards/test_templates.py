"""Templates: partial names that load, lines to read, and nothing the content security policy would block."""

import ast
import re

from django.template import TemplateDoesNotExist
from django.template.loader import get_template

from .walk import ROOT, modules, shown, templates

PARTIAL = re.compile(r"[\w./-]+\.html#[\w-]+")
COMMENT = re.compile(r"{#.*?#}|{%\s*comment.*?endcomment\s*%}|<!--.*?-->", re.DOTALL)
CODE = re.compile(r"{%.*?%}|{{.*?}}|{#.*?#}")
START_TAG = re.compile(r"<[a-zA-Z][\w-]*\s")
WIDTH = 120  # of every line
SHORT = 80  # of a line that may hold several tags with attributes
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
    """(where, name) of every "page.html#name" written in our code."""
    for module in modules().values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and PARTIAL.fullmatch(str(node.value)):
                yield f"{module.where}:{node.lineno}", node.value


def problem_of_partial(name: str) -> str:
    page, _, partial = name.partition("#")
    try:
        get_template(name)
        source = get_template(page).template.source + get_template("base.html").template.source
    except TemplateDoesNotExist as error:
        return f"{error} does not exist."
    return "" if f'id="{partial}"' in source else f'{page} has no id="{partial}" for htmx to aim at.'


def test_partials_load_and_their_names_are_ids_in_their_pages():
    problems = {
        f"{where}: {problem}" for where, name in partial_names() if (problem := problem_of_partial(name))
    }
    assert not problems and len(list(partial_names())) > 50


def test_partial_that_is_not_there_is_a_problem():
    assert "does not exist" in problem_of_partial("nowhere.html#rows")
    assert problem_of_partial("base.html") == 'base.html has no id="" for htmx to aim at.'


def test_templates_compile():
    assert all(get_template(str(path.relative_to(ROOT / "templates"))) for path in templates())


def inline(text: str) -> list[str]:
    """What the content security policy would block."""
    return [what for what, pattern in FORBIDDEN.items() if pattern.search(COMMENT.sub("", text))]


def test_templates_have_nothing_inline():
    found = {shown(path): blocked for path in templates() if (blocked := inline(path.read_text()))}
    assert not found, found


def test_inline_things_are_found():
    assert inline('<p style="color: red" onclick="go()">') == ["style attribute", "event attribute"]
    assert inline("{# <p style='a'> #}<p>") == []


def crowded(text: str) -> list[str]:
    """Lines that are too long, or hold more than one tag with attributes without being short."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        tags = len(START_TAG.findall(CODE.sub("", line)))
        if len(line) > WIDTH:
            found.append(f"line {number} has {len(line)} characters")
        elif len(line) > SHORT and tags > 1:
            found.append(f"line {number} has {tags} tags with attributes")
    return found


def test_templates_have_one_tag_a_line():
    found = {shown(path): lines for path in templates() if (lines := crowded(path.read_text()))}
    assert not found, found


def test_crowded_lines_are_found():
    attribute = f'class="{"x" * 40}"'
    assert crowded(f"<p>{'x' * 113}</p>\n<p>{'x' * 114}</p>") == ["line 2 has 121 characters"]
    assert crowded(f'<li {attribute}><a href="b">c</a></li>') == []
    assert crowded(f'<li {attribute}><a href="bcdefgh">c</a></li>') == ["line 1 has 2 tags with attributes"]
    assert crowded(f'<li{{% if a %}} {attribute}{{% endif %}}><a href="">b</a></li>')
    assert crowded(f'<li {attribute}><i>{{{{ "<a href" }}}} with more words</i></li>') == []
