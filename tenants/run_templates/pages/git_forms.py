"""Giving a tenant what opens a git repository. What the form can't see, an action refuses at its field."""

from django import forms

from tenants.run_templates.git_actions import LONGEST_TOKEN
from tenants.run_templates.pages.code_forms import PLAIN, clean_address


class GitAccessForm(forms.Form):
    url = forms.CharField(
        label="Repository",
        max_length=500,
        widget=forms.TextInput({**PLAIN, "inputmode": "url", "placeholder": "git@github.com:acme/churn.git"}),
        help_text="An address that begins with https:// is opened with a token; one with ssh:// or git@, with a deploy "
        "key that is made here.",
    )
    token = forms.CharField(
        required=False,
        max_length=LONGEST_TOKEN,
        widget=forms.PasswordInput({"autocomplete": "off"}),
        help_text="For https:// only: a token that can read the repository, or name:token. It is stored sealed and never "
        "shown again. It takes the place of an earlier one.",
    )

    def clean_url(self) -> str:
        return clean_address(self.cleaned_data["url"])

    @property
    def wants_key(self) -> bool:
        return not self.cleaned_data["url"].startswith("https:")
