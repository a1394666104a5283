from django import forms

from tenants.run_templates.models import NoticeWay, NoticeWhen
from zenpro_site.common.refusals import Refused

from .destinations import LONGEST, checked
from .models import Webhook

ABOUT = [
    (Webhook.When.ALWAYS, "Every run of this template"),
    (Webhook.When.FAILED, "Only runs that fail"),
]


ABOUT_OWN = [
    (NoticeWhen.ALWAYS, "Every run I start"),
    (NoticeWhen.FAILED, "Only runs I start that fail"),
    (NoticeWhen.NEVER, "Only what I choose on a run or a template"),
]


class WebhookForm(forms.Form):
    """Where a webhook goes, and of which runs. An empty address keeps the one there is."""

    address = forms.CharField(
        max_length=LONGEST,
        widget=forms.URLInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    when = forms.ChoiceField(label="Notify about", choices=ABOUT, widget=forms.RadioSelect)

    def __init__(self, data=None, *, hook: Webhook | None = None, choices=ABOUT, when=Webhook.When.ALWAYS):
        super().__init__(data, initial={"when": when})
        self.fields["when"].choices = choices
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


class NoticeTestForm(forms.Form):
    """Which way of telling someone is tried."""

    way = forms.ChoiceField(choices=NoticeWay.choices)
