"""Line breaks of our templates: which are part of the page, and which are there for the people who write them."""

import re

import pytest
from django.template import engines
from django.template.loader import get_template
from hypothesis import given
from hypothesis import strategies as some

from tests.guards.walk import ROOT, templates
from zenpro_site.common.folding import folded


@pytest.mark.parametrize(
    ("source", "page"),
    [
        # between two tags
        ("<ul>\n  <li>a</li>\n  <li>b</li>\n</ul>\n", "<ul><li>a</li><li>b</li></ul>"),
        ('{% icon "x" %}\n  <b>a</b>\n{{ b }}\n\n  {{ c }}', '{% icon "x" %}<b>a</b>{{ b }}{{ c }}'),
        ("{# About. #}\n<p>a</p>\n", "{# About. #}<p>a</p>"),
        ("<a>a</a> <a>b</a>", "<a>a</a> <a>b</a>"),
        ('<a>a</a>{{ " " }}\n<a>b</a>', '<a>a</a>{{ " " }}<a>b</a>'),
        # at the edge of an element or a block
        ("<p>\n  Some words\n</p>\n", "<p>Some words</p>"),
        ("{% if a %}\n  yes\n{% else %}\n  no\n{% endif %}\n", "{% if a %}yes{% else %}no{% endif %}"),
        ("{% own %}\n  a\n{% endown %}", "{% own %}a{% endown %}"),
        ("<b> a </b>", "<b> a </b>"),
        # next to words
        ("Sent by\n  <b>Ada</b>\n  today", "Sent by <b>Ada</b> today"),
        ("{% if a %}a{% endif %}\nb", "{% if a %}a{% endif %} b"),
        ("{% now %}\nb\n{% now %}", "{% now %} b {% now %}"),
        ("{{ a }}\nb", "{{ a }} b"),
        ("a<br>\nb", "a<br> b"),
        ("<svg><path/>\nb</svg>", "<svg><path/> b</svg>"),
        ("long\n   words  stay", "long words  stay"),
        ("a > b\nc < d", "a > b c < d"),
    ],
)
def test_line_break_between_tags_is_nothing_and_between_words_one_space(source, page):
    assert folded(source) == page


@pytest.mark.parametrize(
    ("source", "page"),
    [
        ('<a\n  class="b"\n  href="c"\n>\n  d\n</a>', '<a class="b" href="c">d</a>'),
        ("<input\n  required\n/>", "<input required/>"),
        (
            '<a\n  b="c"\n  {% if d %}\n    e="f"\n    g="h"\n  {% endif %}\n  i\n>',
            '<a b="c"{% if d %} e="f" g="h"{% endif %} i>',
        ),
        ('<a\n  href="{% url "b>c" d %}"\n  title=\'"\'\n>', '<a href="{% url "b>c" d %}" title=\'"\'>'),
        ('<path d="M1\n  2"/>', '<path d="M1 2"/>'),
        ('<a class="b\n  {% if c > d %}e{% endif %}">', '<a class="b {% if c > d %}e{% endif %}">'),
        ('{% include "a.html" with\n  b="c\n  d"\n%}', '{% include "a.html" with b="c d" %}'),
    ],
)
def test_line_break_inside_a_tag_is_one_space(source, page):
    assert folded(source) == page


@pytest.mark.parametrize("name", ["pre", "textarea", "script", "style"])
def test_text_in_which_line_breaks_count_is_kept(name):
    inside = 'a\n  <b\n  c="d"> {{ e }}\n  \n'
    assert folded(f"<{name}\n  f\n>{inside}</{name}>\n<p>\n") == f"<{name} f>{inside}</{name}><p>"
    assert folded(f"<{name}>{inside}</{name}>\nword") == f"<{name}>{inside}</{name}> word"


def test_verbatim_text_is_kept():
    source = "{% verbatim %}\n  {{ a }}\n  <b>\n{% endverbatim %}"
    assert folded(source) == source


def test_elements_that_only_begin_like_a_kept_one_are_folded():
    assert folded("<prefix>\n  a\n</prefix>\n") == "<prefix>a</prefix>"


PIECES = [
    "\n",
    "\n  ",
    " ",
    "a",
    "<p>",
    "</p>",
    '<a b="c">',
    "</a>",
    "<br>",
    "{{ a }}",
    "{% if a %}",
    "{% endif %}",
]


@given(some.lists(some.sampled_from(PIECES)).map("".join))
def test_folding_changes_space_alone_and_folds_what_is_folded_to_itself(source):
    page = folded(source)
    assert re.sub(r"\s", "", page) == re.sub(r"\s", "", source)
    assert folded(page) == page and "\n" not in page


def test_our_html_templates_are_loaded_without_line_breaks():
    path = next(path for path in templates() if path.name == "sidebar.html")
    assert "\n" in path.read_text()
    assert "\n" not in get_template("components/sidebar.html").template.source


def test_text_of_mails_keeps_its_lines():
    path = ROOT / "templates/emails/invitation.txt"
    assert get_template("emails/invitation.txt").template.source == path.read_text()


def test_templates_of_libraries_stay_as_they_are():
    template = get_template("admin/change_list.html").template
    with open(template.origin.name) as file:
        assert template.source == file.read()


def test_a_template_is_folded_once():
    (partials,) = engines["django"].engine.template_loaders
    assert get_template("base.html").template is get_template("base.html").template
    assert "base.html" in partials.loaders[0].get_template_cache


def test_partial_is_found_by_its_name():
    assert get_template("tenants/overview.html#connect")
