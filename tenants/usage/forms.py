from django import forms
from django.conf import settings

from zenpro_site.common.sizes import size_words

from .models import MONTHLY, Feature

LARGEST = 1_000_000_000
GB = 1024**3


class LimitsForm(forms.Form):
    """A limit for every feature; an empty field is no limit. `most`: {feature: limit of the organization}."""

    def __init__(self, *args, most=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.most = most or {}
        for feature in Feature:
            self.fields[feature.value] = self._field(feature)

    def _field(self, feature: Feature) -> forms.IntegerField:
        most = self.most.get(feature.value)
        notes = ["Per calendar month."] if feature in MONTHLY else []
        notes += [f"At most {most}, the organization's limit."] if most is not None else []
        return forms.IntegerField(
            label=feature.label,
            required=False,
            min_value=0,
            max_value=LARGEST if most is None else most,
            help_text=" ".join(notes),
            widget=forms.NumberInput(attrs={"placeholder": "No limit", "autocomplete": "off"}),
        )


class DiskForm(forms.Form):
    """What a tenant can keep on disk, for superusers; an empty field means the installation's limit."""

    disk = forms.IntegerField(
        label="On disk, in GB",
        required=False,
        min_value=0,
        max_value=LARGEST // 1000,
        widget=forms.NumberInput,
    )

    def __init__(self, data=None, *, tenant):
        own = tenant.disk_budget
        super().__init__(data, initial={"disk": None if own is None else own // GB})
        usual = settings.ZENPRO_TENANT_DISK
        words = size_words(usual) if usual else "no limit"
        self.fields[
            "disk"
        ].help_text = f"Stores, runs and code together. Empty: the default, {words}. 0: no limit."
        self.fields["disk"].widget.attrs |= {"placeholder": words, "autocomplete": "off"}

    @property
    def budget(self) -> int | None:
        """Bytes; None for the installation's limit, 0 for none."""
        number = self.cleaned_data["disk"]
        return None if number is None else number * GB
