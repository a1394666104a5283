from django import forms

from tenants.run_templates.models import NoticeWhen, RunTemplate
from tenants.run_templates.notices import template_choice_of


def options_for(person, template: RunTemplate) -> list[tuple[NoticeWhen, bool]]:
    """Of which of its runs the person can be told, and whether that is what they chose."""
    chosen = template_choice_of(person, template)
    return [(when, when == chosen) for when in NoticeWhen]


class RunNoticeForm(forms.Form):
    """What the button on the page of a re-run asks for."""

    tell = forms.TypedChoiceField(choices=[("on", "On"), ("off", "Off")], coerce=lambda value: value == "on")


class NoticesForm(forms.Form):
    """Of which runs to tell the person."""

    when = forms.ChoiceField(
        choices=NoticeWhen.choices, widget=forms.RadioSelect, label="Tell me about runs I start"
    )
