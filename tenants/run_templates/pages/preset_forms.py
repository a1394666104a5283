from django import forms

from tenants.run_templates.models import Preset
from zenpro_site.common.names import NameField


class PresetForm(forms.Form):
    """A name, and for those who may share it whether others see it."""

    name = NameField(max_length=80)
    is_shared = forms.BooleanField(required=False, label="For everyone who may run this template")

    def __init__(self, *args, can_share: bool, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs["autocomplete"] = "off"
        if not can_share:
            del self.fields["is_shared"]

    @property
    def facts(self) -> dict:
        return {"name": self.cleaned_data["name"], "is_shared": self.cleaned_data.get("is_shared", False)}


class SavePresetForm(PresetForm):
    """A new preset, or one that is replaced and keeps its name."""

    replace = forms.ModelChoiceField(
        Preset.objects.none(), required=False, empty_label="A new preset", label="Save as"
    )
    field_order = ["replace", "name", "is_shared"]

    def __init__(self, *args, known: list[Preset], **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["name"].required = False
        self.fields["replace"].queryset = Preset.objects.filter(pk__in=[one.pk for one in known])

    def clean(self):
        cleaned = super().clean()
        if not cleaned.get("replace") and not cleaned.get("name") and "name" not in self.errors:
            self.add_error("name", "Enter a name.")
        return cleaned
