from django import forms

from .models import MONTHLY, Feature

LARGEST = 1_000_000_000


class LimitsForm(forms.Form):
    """A limit for every feature; an empty field is no limit. `most`: {feature: limit of the organization}."""

    def __init__(self, *args, most=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.most = most or {}
        for feature in Feature:
            self.fields[feature.value] = self._field(feature)

    def _field(self, feature: Feature) -> forms.IntegerField:
        most = self.most.get(feature.value)
        notes = ["In a calendar month."] if feature in MONTHLY else []
        notes += [f"At most {most}, the organization's limit."] if most is not None else []
        return forms.IntegerField(
            label=feature.label,
            required=False,
            min_value=0,
            max_value=LARGEST if most is None else most,
            help_text=" ".join(notes),
            widget=forms.NumberInput(attrs={"placeholder": "No limit", "autocomplete": "off"}),
        )
