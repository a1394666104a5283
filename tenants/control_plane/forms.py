from django import forms

from tenants.models import Tenant


class AnswerForm(forms.Form):
    """Approve or deny a computer. The choices are the tenants the person may use and that run."""

    answer = forms.ChoiceField(choices=[("approve", "Approve"), ("deny", "Deny")])
    tenant = forms.ChoiceField(label="Which tenant?", required=False)
    trusted = forms.BooleanField(label="Trust this device", required=False)

    def __init__(self, *args, tenants: list[Tenant], hint: str = "", **kwargs):
        super().__init__(*args, **kwargs)
        self.tenants = tenants
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
        data["tenant"] = next((one for one in self.tenants if str(one.pk) == data.get("tenant")), None)
        return data
