"""Documents come back as they were written, in both databases."""

import pytest
from django.db.models import Case, F, Value, When
from factories import make_template, make_tenant

from tenants.run_templates.models import RunTemplate
from zenpro_site.common.documents import DocumentField

pytestmark = [pytest.mark.django_db, pytest.mark.database]
# PostgreSQL's jsonb would put the shortest key first.
DOCUMENT = {
    "steps": {"load_customers": {"zoo": 1, "a": None}, "train": {}, "x": [1.0, "é", {"b": 1, "a": 2}]}
}


def order(value):
    if isinstance(value, dict):
        return [(key, order(inner)) for key, inner in value.items()]
    return [order(inner) for inner in value] if isinstance(value, list) else value


def stored(template):
    return order(RunTemplate.objects.get(pk=template.pk).default_configuration)


@pytest.fixture
def template(org):
    return make_template(make_tenant(org), default_configuration=DOCUMENT)


def test_keys_keep_their_order(template):
    assert stored(template) == order(DOCUMENT)
    (values,) = RunTemplate.objects.values_list("default_configuration", flat=True)
    assert order(values) == order(DOCUMENT)


@pytest.mark.parametrize("value", [{}, [], "text", '"text"', 3, True, {"a": "\\u0000"}])
def test_any_document_comes_back(template, value):
    RunTemplate.objects.filter(pk=template.pk).update(default_configuration=value)
    assert stored(template) == order(value)


def test_they_are_written_in_bulk_and_by_expressions(template):
    template.default_configuration = {"zz": 1, "a": 2}
    RunTemplate.objects.bulk_update([template], ["default_configuration"])
    assert stored(template) == [("zz", 1), ("a", 2)]
    chosen = Case(When(pk=template.pk, then=Value({"b": 1, "a": 2}, DocumentField())), default=F("snapshot"))
    RunTemplate.objects.update(default_configuration=chosen)
    assert stored(template) == [("b", 1), ("a", 2)]
    RunTemplate.objects.update(previous_configuration=F("default_configuration"))
    assert order(RunTemplate.objects.get().previous_configuration) == [("b", 1), ("a", 2)]


def test_what_is_related_is_read_the_same_way(template):
    (found,) = RunTemplate.objects.select_related("tenant").defer("snapshot")
    assert order(found.default_configuration) == order(DOCUMENT)
