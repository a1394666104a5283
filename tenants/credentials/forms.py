from datetime import timedelta

from django import forms
from django.utils import timezone

from orgs.models import Organization
from tenants.models import Tenant
from zenpro_site.common.names import NameField


class AnswerForm(forms.Form):
    """Approve or deny a computer. The choices are the tenants that run and that the person can use.

    `is_near`: it asked from the address of this browser. Otherwise approving takes a second look: a server that someone
    signs in to could ask in their name and show them our page.
    """

    answer = forms.ChoiceField(choices=[("approve", "Approve"), ("deny", "Deny")])
    tenant = forms.ChoiceField(label="Which tenant?", required=False)
    trusted = forms.BooleanField(label="Trust this device", required=False)
    sure = forms.BooleanField(label="I started zenml login on the computer at that address", required=False)

    def __init__(self, *args, tenants: list[Tenant], hint: str = "", is_near: bool = True, **kwargs):
        super().__init__(*args, **kwargs)
        self.tenants = tenants
        if is_near:
            del self.fields["sure"]
        ready = [
            tenant for tenant in tenants if tenant.is_available or tenant.status == Tenant.Status.PENDING
        ]
        self.fields["tenant"].choices = [(str(tenant.pk), tenant.name) for tenant in ready]
        hinted = [tenant for tenant in ready if hint in (tenant.workspace_name, str(tenant.pk))]
        if hinted or len(ready) == 1:
            self.initial["tenant"] = str((hinted or ready)[0].pk)

    def options(self) -> list[dict]:
        """For the page: each tenant, whether it can be chosen, and whether it is."""
        possible = {value for value, _ in self.fields["tenant"].choices}
        chosen = self["tenant"].value()
        return [
            {"tenant": tenant, "possible": str(tenant.pk) in possible, "chosen": str(tenant.pk) == chosen}
            for tenant in self.tenants
        ]

    def clean(self):
        data = super().clean()
        if data.get("answer") == "approve" and not data.get("tenant") and "tenant" not in self.errors:
            self.add_error("tenant", "Choose a tenant.")
        if data.get("answer") == "approve" and data.get("sure") is False:
            self.add_error("sure", "Only approve a computer that you know is at that address.")
        data["tenant"] = next((one for one in self.tenants if str(one.pk) == data.get("tenant")), None)
        return data


class ServiceAccountForm(forms.Form):
    name = NameField(
        max_length=60,
        help_text="What it is for, such as nightly-training. Tenants show its runs under this name.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "nightly-training"}),
    )


class ScopeField(forms.ChoiceField):
    """What a key opens: cleans to a Tenant, an Organization, or None for everything its account can access."""

    def __init__(self, *, tenants, organizations=(), every: str, **kwargs):
        self.objects = {str(one.pk): one for one in (*organizations, *tenants)}
        super().__init__(required=False, choices=[("", every), *_groups(organizations, tenants)], **kwargs)

    def clean(self, value):
        return self.objects.get(super().clean(value))


def _groups(organizations, tenants) -> list:
    """The tenants, below a heading only where organizations stand above them."""
    named = [[(str(one.pk), one.name) for one in some] for some in (organizations, tenants)]
    if not named[0]:
        return named[1]
    return [group for group in zip(("Organizations", "Tenants"), named, strict=True) if group[1]]


class KeyForm(forms.Form):
    """A new key. `tenants`, `organizations`: query sets of those it can be bound to."""

    label = NameField(
        max_length=60,
        label="Name",
        help_text="Where it is used, such as github-actions.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "github-actions"}),
    )
    days = forms.ChoiceField(
        label="Expires",
        required=False,
        initial="90",
        choices=[("30", "in 30 days"), ("90", "in 90 days"), ("365", "in a year"), ("", "never")],
    )
    field_order = ["label", "tenant", "days"]

    def __init__(self, *args, tenants, organizations=(), every="every tenant it has a role on", **kwargs):
        super().__init__(*args, **kwargs)
        scope = {"tenants": list(tenants), "organizations": list(organizations), "every": every}
        self.fields["tenant"] = ScopeField(label="Access to", **scope)

    @property
    def words(self) -> dict:
        """Arguments of keys.create_key."""
        data = self.cleaned_data
        ends = timezone.now() + timedelta(days=int(data["days"])) if data["days"] else None
        kind = "organization" if isinstance(data["tenant"], Organization) else "tenant"
        return {"label": data["label"], kind: data["tenant"], "expires_at": ends}


class RotateForm(forms.Form):
    """How long the old secret keeps working, in minutes."""

    grace = forms.TypedChoiceField(
        label="Keep the old key working for",
        initial="1440",
        coerce=lambda minutes: timedelta(minutes=int(minutes)),
        choices=[("60", "an hour"), ("1440", "a day"), ("10080", "a week"), ("0", "no time at all")],
    )
