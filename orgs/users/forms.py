from allauth.account.forms import ResetPasswordForm
from allauth.mfa.webauthn import forms as passkeys
from django import forms

from zenpro_site.common.mailboxes import normal
from zenpro_site.common.names import NameField

from .models import User


class ProfileForm(forms.ModelForm):
    """What others see of a person."""

    class Meta:
        model = User
        fields = ["name"]
        labels = {"name": "Your name"}
        widgets = {"name": forms.TextInput({"autocomplete": "name"})}

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["name"].required = True

    def clean_name(self) -> str:
        return " ".join(self.cleaned_data["name"].split())


class ResetForm(ResetPasswordForm):
    """Counted and mailed by the normal form: another spelling doesn't send another mail."""

    def clean_email(self) -> str:
        self.cleaned_data["email"] = normal(self.cleaned_data["email"])
        return super().clean_email()


class AddPasskeyForm(passkeys.AddWebAuthnForm):
    name = NameField(required=False, max_length=100)


class EditPasskeyForm(passkeys.EditWebAuthnForm):
    name = NameField(max_length=100)
