"""Documents come back as they were written, in both databases."""

import pytest
from django.apps import apps
from django.db.models import Case, F, JSONField, Value, When
from factories import make_template, make_template_run, make_tenant

from orgs.audit.chain import digest
from orgs.audit.models import AuditEvent
from orgs.audit.sentences import changes_of
from tenants.run_templates.models import RunTemplate, TemplateRun
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


def test_what_was_changed_is_told_in_the_order_of_what_it_was_changed_in(template, member):
    value = {"load_customers": 1, "a": {"zoo": 1, "b": 2}}
    run = make_template_run(template, member, changes=[{"path": "x", "before": None, "after": value}])
    assert order(TemplateRun.objects.get(pk=run.pk).changes[0]["after"]) == order(value)


def test_audit_events_tell_what_happened_in_the_order_it_was_recorded_in(org):
    after = {"zoo": 2, "name": "new", "a": {"yes": 1, "b": 2}, "text": "a\0b\ud800"}
    AuditEvent.objects.record("team.renamed", org, organization=org, before={"zoo": 1}, after=after)
    event = AuditEvent.objects.get(action="team.renamed")
    assert [change.name for change in changes_of(event)] == ["zoo", "name", "a", "text"]
    assert order(event.after) == order(after)
    assert event.hash == digest(event)


def test_no_other_column_holds_an_object_whose_order_people_see():
    """Lists of what has always the same keys keep them anyway; server_packages is read sorted."""
    found = {
        field.attname
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if model.__module__.split(".")[0] in ("orgs", "tenants")
        and type(field) is JSONField
        and field.default is dict
    }
    assert found == {"server_packages"}


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
