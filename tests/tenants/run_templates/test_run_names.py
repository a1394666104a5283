"""Names of re-runs from templates that a hostile server wrote."""

from copy import deepcopy
from datetime import datetime

import pytest
from django.urls import reverse
from factories import make_grant, make_template, make_tenant
from hypothesis import given
from hypothesis import strategies as st

from orgs.users.models import Actor
from tenants.run_templates import actions
from tenants.run_templates.document import run_names
from tenants.run_templates.document.configuration import default_configuration, expand_run_name
from tenants.run_templates.models import TemplateRun
from tests.tenants.runs.fakes import churn

pytestmark = pytest.mark.any_database

NOW = datetime(2026, 11, 23, 14, 5, 6, 7)
TIME = "14_05_06_000007"


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("churn-{date}-{time}", f"churn-2026_11_23-{TIME}"),
        ("{date:>80000000}", "{date:>80000000}"),
        ("{date.__class__}", "{date.__class__}"),
        ("{date[0]} {time!r} {0} {} {foo} {{date}}", "{date[0]} {time!r} {0} {} {foo} {2026_11_23}"),
        ("100 % {", "100 % {"),
        ("a\x00b\x1b[31m\u202ec\nd\ud800", "ab[31mcd"),
        ("{team}-{date}", "blue-2026_11_23"),
    ],
)
def test_only_known_words_are_replaced(template, name):
    assert run_names.expand(template, {"team": "blue"}, NOW) == name


def test_a_word_that_stands_for_another_is_not_replaced_again():
    assert run_names.expand("{a}", {"a": "{b}", "b": "{a}"}, NOW) == "{b}"


@pytest.mark.parametrize("template", ["x" * 80_000_000, "{long}" * 80_000, "{date}" * 40])
def test_a_long_name_is_cut_and_still_differs_from_the_next(template):
    name = run_names.expand(template, {"long": "y" * 1_000_000}, NOW)
    assert len(name) == run_names.LENGTH
    assert name.endswith(f"-{TIME}")


@given(st.text(st.characters(), max_size=400), st.dictionaries(st.text(), st.text()))
def test_any_template_gives_one_printable_line(template, words):
    name = run_names.expand(template, words, NOW)
    assert len(name) <= run_names.LENGTH
    assert name.isprintable()


def hostile(name) -> dict:
    snapshot = deepcopy(churn("snapshot"))
    snapshot["metadata"]["run_name_template"] = name
    return snapshot


@pytest.mark.parametrize(
    "name", ["{date:>80000000}", "{date.__class__}", "{foo}", "x" * 1_000_000, "\x07{", 7, None, ["x"]]
)
def test_a_template_of_a_hostile_run_runs_again(as_user, member, org, name):
    tenant, snapshot = make_tenant(org), hostile(name)
    make_grant(tenant, member, "developer")
    template = make_template(tenant, snapshot=snapshot, default_configuration=default_configuration(snapshot))
    url = reverse("run_templates:run", args=[org.slug, tenant.slug, template.pk])
    assert as_user(member).get(url).status_code == 200
    made = actions.queue_run(template=template, configuration={}, by=Actor(member))
    stored = TemplateRun.objects.get(pk=made.pk).run_name
    assert 0 < len(stored) <= 250
    assert stored.isprintable()
    assert len(template.default_configuration["run_name"]) <= 250


def test_substitutions_of_the_recorded_pipeline_are_replaced_as_text():
    snapshot = hostile("{team}-{date}")
    snapshot["metadata"]["pipeline_configuration"]["substitutions"] = {"team": "{time}" * 10, "n": 3}
    assert expand_run_name("{team} {n}", snapshot, NOW) == f"{'{time}' * 10} {{n}}"
