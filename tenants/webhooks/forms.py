from django import forms

from zenpro_site.common.refusals import Refused

from .destinations import LONGEST, checked
from .models import Webhook

ABOUT = [
    (Webhook.When.ALWAYS, "Every run of this template"),
    (Webhook.When.FAILED, "Only runs that fail"),
]


class WebhookForm(forms.Form):
    """Where a webhook goes, and of which runs. An empty address keeps the one there is."""

    address = forms.CharField(
        max_length=LONGEST,
        widget=forms.URLInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    when = forms.ChoiceField(label="Notify about", choices=ABOUT, widget=forms.RadioSelect)

    def __init__(self, data=None, *, hook: Webhook | None = None):
        super().__init__(data, initial={"when": hook.when if hook else Webhook.When.ALWAYS})
        address = self.fields["address"]
        address.widget.attrs["placeholder"] = (
            f"https://{hook.host}/…" if hook else "https://hooks.example.org/runs"
        )
        if hook:
            address.required = False
            address.help_text = "It isn’t shown again: whoever knows it may be able to post there. Leave this empty to keep it."

    def clean_address(self) -> str:
        address = self.cleaned_data["address"]
        try:
            return checked(address).geturl() if address else ""
        except Refused as error:
            raise forms.ValidationError(str(error), code="address") from error
