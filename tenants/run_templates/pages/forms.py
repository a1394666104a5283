from django import forms

from tenants.models import Tenant
from tenants.run_templates.document.requirements import RequirementsRefused, check_requirements
from tenants.run_templates.models import CodeVersion, RunTemplate
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
        if "name" in self.fields:
            self.fields["name"].widget.attrs["autocomplete"] = "off"

    def clean_name(self) -> str:
        name = self.cleaned_data["name"]
        others = self.tenant.templates.listed().exclude(pk=self.template and self.template.pk)
        if others.filter(name=name).exists():
            text = f"{self.tenant} already has a template named “{name}”."
            raise forms.ValidationError(text, code="taken")
        return name

    def clean_requirements(self) -> str:
        try:
            check_requirements(self.cleaned_data["requirements"])
        except RequirementsRefused as error:
            raise forms.ValidationError(str(error), code="requirements") from error
        return self.cleaned_data["requirements"]

    def add_problem(self, field: str, reason: str) -> None:
        """What an action refused, at its field where the form has it."""
        self.add_error(field if field in self.fields else None, reason)


class TemplateForm(EditForm):
    """A new template of a run, for code of its pipeline; `carried`: where the run's own code is, "" where it is asked
    for."""

    code = forms.ModelChoiceField(CodeVersion.objects.none(), empty_label=None)
    field_order = ["name", "description", "code", "requirements"]

    def __init__(self, *args, pipeline: str, carried: str = "", **kwargs):
        super().__init__(*args, **kwargs)
        self.carried = carried
        if carried:
            del self.fields["code"]
            return
        versions = self.tenant.code_versions.filter(pipeline_name=pipeline)
        field = self.fields["code"]
        field.queryset, field.label_from_instance = versions, code_label

    @property
    def lacks_code(self) -> bool:
        """Is there none to choose from?"""
        return "code" in self.fields and not self.fields["code"].queryset

    def clean(self) -> dict:
        return {"code": None, **super().clean()}


class NeedsForm(TemplateForm):
    """What a run needs to run again."""

    name = description = None
    field_order = ["code", "requirements"]


class SaveForm(EditForm):
    """A name for what one run needed to run again."""

    requirements = None


def code_label(version: CodeVersion) -> str:
    """A version for a list to choose from."""
    commit = f" @ {version.commit[:7]}" if version.commit else ""
    return f"v{version.number} · {version.came_from}{commit}"


class PackagesForm(forms.Form):
    """What is installed besides ZenML for a try; an action checks each line."""

    requirements = forms.CharField(
        label="Packages",
        required=False,
        max_length=LONGEST_REQUIREMENTS,
        widget=forms.Textarea({"rows": 8, "spellcheck": "false", "class": "mono"}),
        help_text="One per line, with extras, versions and markers.",
    )
