from django import forms

from tenants.hosting.forms import AddressField, version_validator


class CorrectForm(forms.Form):
    """Corrects where the server is and what it runs."""

    server_url = AddressField(label="Address", help_text="Where clients and ZenPro reach it.")
    version = forms.CharField(
        max_length=20,
        label="ZenML version",
        validators=[version_validator],
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
