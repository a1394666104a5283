"""The form that asks which version a tenant's server is to get."""

from django import forms

from tenants.hosting.forms import OR_A_TAG, OTHER, version_validator
from tenants.models import Tenant

from .versions import can_have, choices_for, last_used


class UpgradeForm(forms.Form):
    """Cleans to `version`, one newer than the tenant's."""

    version = forms.ChoiceField(label="New version")
    other_version = forms.CharField(
        max_length=20,
        required=False,
        label="Another version",
        validators=[version_validator],
        help_text=f"Only when “Another version…” is chosen. {OR_A_TAG}",
        widget=forms.TextInput(attrs={"placeholder": "0.98.0", "autocomplete": "off"}),
    )

    def __init__(self, *args, tenant: Tenant, versions: list[str], **kwargs):
        super().__init__(*args, **kwargs)
        self.tenant = tenant
        newer = choices_for(tenant, versions)
        self.fields["version"].choices = [*((one, one) for one in newer), (OTHER, "Another version…")]

    def clean(self):
        super().clean()
        field = "other_version" if self.cleaned_data.get("version") == OTHER else "version"
        chosen = self.cleaned_data.get(field)
        if self.errors:
            return
        if not chosen:
            self.add_error(field, "Enter a version.")
        elif not can_have(self.tenant, chosen):
            self.add_error(field, f"Enter a version that is newer than {last_used(self.tenant)}.")
        else:
            self.cleaned_data["version"] = chosen
