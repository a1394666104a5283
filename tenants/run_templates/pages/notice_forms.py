from collections.abc import Callable
from dataclasses import dataclass

from django import forms

from tenants.models import Tenant
from tenants.run_templates.models import NoticeWay, NoticeWhen, RunTemplate, TemplateRun
from tenants.run_templates.notices import (
    choice_of,
    default_of,
    is_open,
    template_choice_of,
    tenant_choice_of,
)

ON_OFF = {NoticeWhen.ALWAYS: ("on", "Tell me"), NoticeWhen.NEVER: ("off", "Don’t tell me")}


@dataclass(frozen=True)
class WayRow:
    """One way of telling a person, with what they can choose: (value, word, whether it is what they chose)."""

    way: NoticeWay
    is_open: bool
    options: list[tuple[str, str, bool]]


def ways_for_run(person, run: TemplateRun) -> list[WayRow]:
    def options(way):
        now = choice_of(person, run, way)
        return [(value, word, when == now) for when, (value, word) in ON_OFF.items()]

    return _rows(person, options)


def ways_for_template(person, template: RunTemplate) -> list[WayRow]:
    return _rows(person, lambda way: _whens(template_choice_of(person, template, way)))


def ways_for_tenant(person, tenant: Tenant) -> list[WayRow]:
    def options(way):
        now = tenant_choice_of(person, tenant, way)
        return [("everywhere", "As everywhere", now is None), *_whens(now)]

    return _rows(person, options)


def ways_for_own(person) -> list[WayRow]:
    return _rows(person, lambda way: _whens(default_of(person, way)))


def _whens(chosen: NoticeWhen | None) -> list[tuple[str, str, bool]]:
    return [(when.value, when.label, when == chosen) for when in NoticeWhen]


def _rows(person, options: Callable[[NoticeWay], list]) -> list[WayRow]:
    is_way_open = {way: is_open(way, person) for way in NoticeWay}
    return [WayRow(way, found, options(way) if found else []) for way, found in is_way_open.items()]


class NoticeForm(forms.Form):
    """By which way a person is told; by mail where nothing is said."""

    way = forms.ChoiceField(choices=NoticeWay.choices, required=False)

    def clean_way(self) -> str:
        return self.cleaned_data["way"] or NoticeWay.MAIL


class RunNoticeForm(NoticeForm):
    """What a button on the page of a re-run's notices asks for."""

    tell = forms.TypedChoiceField(choices=[("on", "On"), ("off", "Off")], coerce=lambda value: value == "on")


class NoticesForm(NoticeForm):
    """Of which runs to tell the person."""

    when = forms.ChoiceField(choices=NoticeWhen.choices)


class TenantNoticesForm(NoticeForm):
    """Of which of their runs in one tenant; "" for as everywhere."""

    when = forms.TypedChoiceField(
        choices=[("everywhere", "As everywhere"), *NoticeWhen.choices],
        coerce=lambda value: "" if value == "everywhere" else value,
        empty_value=None,
    )
