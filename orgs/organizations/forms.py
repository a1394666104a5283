from django import forms
from django.urls import reverse_lazy

from orgs.models import RESERVED_SLUGS, Organization


class OrganizationForm(forms.ModelForm):
    """Name and description of an organization."""

    class Meta:
        model = Organization
        fields = ["name", "description"]
        help_texts = {"description": "What it is for, in one sentence."}

    def clean_name(self) -> str:
        return " ".join(self.cleaned_data["name"].split())


class NewOrganizationForm(OrganizationForm):
    """The slug follows the name while it is typed, and the page says at once when it is taken."""

    class Meta(OrganizationForm.Meta):
        fields = ["name", "slug", "description"]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs.update({"autocomplete": "off", "autofocus": True})
        self.fields["slug"].widget.attrs.update(
            {
                "autocomplete": "off",
                "spellcheck": "false",
                "data-slug-of": "id_name",
                "hx-get": reverse_lazy("orgs:create"),
                "hx-target": "#slug-state",
                "hx-swap": "outerHTML",
                "hx-trigger": "input changed delay:250ms",
            }
        )

    def clean_slug(self) -> str:
        slug = self.cleaned_data["slug"]
        if slug in RESERVED_SLUGS or Organization.objects.filter(slug=slug).exists():
            free = Organization.objects.free_slug(slug)
            raise forms.ValidationError(f"“{slug}” is taken. “{free}” is free.", code="taken")
        return slug

    def slug_state(self, slug: str) -> tuple[str, str]:
        """(tone, sentence) for the line under the slug while it is being written."""
        try:
            self.cleaned_data = {"slug": self.fields["slug"].clean(slug)}
            Organization._meta.get_field("slug").run_validators(slug)
            self.clean_slug()
        except forms.ValidationError as error:
            return "bad", " ".join(error.messages)
        return "ok", f"“{slug}” is free."


class OrganizationDeleteForm(forms.Form):
    """The name typed as it is written, so that no one deletes the wrong organization."""

    name = forms.CharField(label="Type its name to confirm", strip=True)

    def __init__(self, *args, wanted: str, **kwargs):
        super().__init__(*args, **kwargs)
        self.wanted = wanted
        self.fields["name"].widget.attrs.update({"data-equals": wanted, "autocomplete": "off"})

    def clean_name(self) -> str:
        if self.cleaned_data["name"] != self.wanted:
            raise forms.ValidationError(f"Type “{self.wanted}”.")
        return self.wanted
