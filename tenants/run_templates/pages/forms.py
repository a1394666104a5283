from django import forms
from django.conf import settings
from django.utils.html import format_html, format_html_join

from tenants.models import Tenant
from tenants.run_templates.models import RunTemplate
from zenpro_site.common.names import DescriptionField, NameField

LONGEST_REQUIREMENTS = 20_000


class EditForm(forms.Form):
    """What may be changed later. Names are taken per tenant."""

    name = NameField(max_length=80)
    description = DescriptionField(
        max_length=500, required=False, help_text="What it is for, in one sentence."
    )
    requirements = forms.CharField(
        required=False,
        max_length=LONGEST_REQUIREMENTS,
        strip=True,
        widget=forms.Textarea({"rows": 5, "spellcheck": "false", "class": "mono"}),
        help_text="One package per line, with extras, versions and markers; no options, URLs or paths. They come from "
        "this installation's package index. ZenML itself is always there, in the tenant's version.",
    )

    def __init__(self, *args, tenant: Tenant, template: RunTemplate | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.tenant, self.template = tenant, template
        self.fields["name"].widget.attrs["autocomplete"] = "off"

    def clean_name(self) -> str:
        name = self.cleaned_data["name"]
        others = self.tenant.templates.exclude(pk=self.template and self.template.pk)
        if others.filter(name=name).exists():
            text = f"{self.tenant} already has a template named “{name}”."
            raise forms.ValidationError(text, code="taken")
        return name

    def add_problem(self, field: str, reason: str) -> None:
        """What an action refused, at its field where the form has it."""
        self.add_error(field if field in self.fields else None, reason)


class TemplateForm(EditForm):
    """A new template of a run."""

    code_location = forms.CharField(
        label="Code directory",
        max_length=500,
        widget=forms.TextInput({"spellcheck": "false", "class": "mono", "placeholder": "/home/ada/churn"}),
        help_text="The folder on this machine that the run was started from: the pipeline's modules are found from "
        "there. It is copied, so later changes don't affect this template.",
    )
    field_order = ["name", "description", "code_location", "requirements"]

    def __init__(self, *args, person=None, **kwargs):
        super().__init__(*args, **kwargs)
        field = self.fields["code_location"]
        field.help_text = format_html("{} {}", field.help_text, _where_from(person))


def _where_from(person) -> str:
    """Which directories are allowed; how to allow some, for whoever runs ZenPro."""
    if roots := settings.ZENPRO_CODE_ROOTS:
        paths = format_html_join(", ", "<code>{}</code>", ((root,) for root in roots))
        return format_html("It must lie in {}.", paths)
    words = "So far the operator of ZenPro has allowed only the example that comes with it."
    if person is not None and person.is_superuser:
        return format_html("{} Add directories in <code>ZENPRO_CODE_ROOTS</code>.", words)
    return words
