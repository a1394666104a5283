from django import forms
from django.contrib import admin

from zenpro_site.common.admin import ActionsAdmin, ReadOnlyAdmin

from . import actions
from .models import Quota, UsageEvent


class QuotaForm(forms.ModelForm):
    def clean(self):
        """A row for a tenant of another organization would limit nothing."""
        super().clean()
        tenant, organization = self.cleaned_data.get("tenant"), self.cleaned_data.get("organization")
        if tenant and organization and tenant.organization_id != organization.pk:
            self.add_error("tenant", f"This tenant does not belong to {organization}.")


@admin.register(Quota)
class QuotaAdmin(ActionsAdmin):
    """A limit without a tenant applies to all tenants of the organization together."""

    form = QuotaForm
    list_display = ["organization", "tenant", "feature", "limit"]
    list_filter = ["feature", "organization"]
    list_select_related = ["organization", "tenant"]
    search_fields = ["organization__name", "organization__slug", "tenant__name"]
    autocomplete_fields = ["organization", "tenant"]
    fields = ["organization", "tenant", "feature", "limit"]

    def get_readonly_fields(self, request, obj=None):
        return ["organization", "tenant", "feature"] if obj else []

    def save_model(self, request, obj, form, change):
        self._set(request, obj, obj.limit)
        if not change:
            found = Quota.objects.get(organization=obj.organization, tenant=obj.tenant, feature=obj.feature)
            obj.pk, obj._state.adding = found.pk, False

    def delete_model(self, request, obj):
        self._set(request, obj, None)

    def _set(self, request, obj, limit):
        actions.set_limits(
            organization=obj.organization, tenant=obj.tenant, limits={obj.feature: limit}, by=request.actor
        )


@admin.register(UsageEvent)
class UsageEventAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "tenant", "organization", "feature", "total", "resource_id"]
    list_filter = ["feature", "organization"]
    list_select_related = ["tenant", "organization"]
    search_fields = ["tenant__name", "resource_id"]
    date_hierarchy = "created_at"
