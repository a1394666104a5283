from django import forms
from django.conf import settings
from django.contrib import admin

from tenants.hosting import actions
from zenpro_site.common.admin import ActionsAdmin, ReadOnlyAdmin

from .models import (
    DefaultHome,
    InvitationGrant,
    SavedRunView,
    Share,
    Tenant,
    TenantAccount,
    TenantGrant,
    TenantGroupObjectPermission,
    TenantMove,
    TenantUserObjectPermission,
    UnknownRight,
)


class TenantAdminForm(forms.ModelForm):
    zenml_version = forms.ChoiceField(
        label="ZenML version", choices=[(version, version) for version in settings.ZENPRO_ZENML_VERSIONS]
    )


@admin.register(Tenant)
class TenantAdmin(ActionsAdmin):
    """Created and described here as well; stopped and deleted on its own page, which says what goes with it."""

    list_display = [
        "name",
        "organization",
        "status",
        "desired_state",
        "zenml_version",
        "server_url",
        "created_at",
    ]
    list_filter = ["status", "desired_state", "zenml_version", "organization"]
    list_select_related = ["organization"]
    search_fields = ["name", "slug", "workspace_name", "organization__name"]
    autocomplete_fields = ["organization"]
    new_fields = ["organization", "name", "slug", "zenml_version", "description"]
    state_fields = [
        "workspace_name",
        "desired_state",
        "status",
        "state_reason",
        "server_url",
        "port",
        "reported_version",
        "created_by",
        "created_at",
        "deleted_at",
    ]

    def get_form(self, request, obj=None, **kwargs):
        return super().get_form(request, obj, **({} if obj else {"form": TenantAdminForm}) | kwargs)

    def get_fields(self, request, obj=None):
        return [*self.new_fields, *self.state_fields] if obj else self.new_fields

    def get_readonly_fields(self, request, obj=None):
        return ["organization", "slug", "zenml_version", *self.state_fields] if obj else []

    def get_prepopulated_fields(self, request, obj=None):
        return {} if obj else {"slug": ["name"]}

    def save_model(self, request, obj, form, change):
        words = {"name": obj.name, "description": obj.description, "by": request.actor}
        if change:
            actions.update_tenant(tenant=obj, **words)
            return
        made = actions.create_tenant(org=obj.organization, slug=obj.slug, version=obj.zenml_version, **words)
        obj.__dict__.update(made.__dict__)

    def has_delete_permission(self, request, obj=None) -> bool:
        return False


@admin.register(TenantGrant)
class TenantGrantAdmin(ReadOnlyAdmin):
    list_display = ["tenant", "organization", "role", "holder", "expires_at", "granted_by", "created_at"]
    list_filter = ["role__slug", "tenant__organization"]
    list_select_related = ["tenant__organization", "role", "membership__user", "team", "granted_by"]
    search_fields = ["tenant__name", "team__label", "membership__user__email", "membership__user__name"]

    @admin.display(ordering="tenant__organization__name")
    def organization(self, grant) -> str:
        return grant.tenant.organization.name

    @admin.display
    def holder(self, grant) -> str:
        return grant.team.label if grant.team else str(grant.membership.user)


@admin.register(InvitationGrant)
class InvitationGrantAdmin(ReadOnlyAdmin):
    list_display = ["invitation", "tenant", "role"]
    list_filter = ["role__slug", "tenant__organization"]
    list_select_related = ["invitation", "tenant", "role"]
    search_fields = ["invitation__email", "tenant__name"]


@admin.register(Share)
class ShareAdmin(ReadOnlyAdmin):
    list_display = [
        "tenant",
        "resource_type",
        "resource_id",
        "action",
        "membership",
        "team",
        "shared_by",
        "created_at",
    ]
    list_filter = ["resource_type", "action"]
    list_select_related = ["tenant", "membership__user", "membership__organization", "team", "shared_by"]
    search_fields = ["tenant__name", "resource_id", "team__label", "membership__user__email"]


@admin.register(TenantUserObjectPermission, TenantGroupObjectPermission)
class ObjectPermissionAdmin(ReadOnlyAdmin):
    """Guardian's rows: what follows from the grants."""

    list_filter = ["permission__codename"]
    search_fields = ["content_object__name", "permission__codename"]

    def get_list_display(self, request):
        return ["content_object", "holder", "codename"]

    def get_list_select_related(self, request):
        mine = self.model is TenantUserObjectPermission
        return ["content_object", "permission", "user" if mine else "team"]

    @admin.display(description="person or team")
    def holder(self, row) -> str:
        return str(row.user if self.model is TenantUserObjectPermission else row.team)

    @admin.display(ordering="permission__codename")
    def codename(self, row) -> str:
        return row.permission.codename


@admin.register(TenantAccount)
class TenantAccountAdmin(ReadOnlyAdmin):
    list_display = ["user", "tenant", "entered_at", "cut_at"]
    list_filter = ["cut_at", "tenant__organization"]
    list_select_related = ["user", "tenant"]
    search_fields = ["user__email", "user__name", "tenant__name"]


@admin.register(SavedRunView)
class SavedRunViewAdmin(ReadOnlyAdmin):
    list_display = ["name", "user", "tenant", "organization"]
    list_filter = ["tenant__organization"]
    list_select_related = ["user", "tenant", "organization"]
    search_fields = ["name", "user__email", "tenant__name"]


@admin.register(UnknownRight)
class UnknownRightAdmin(ReadOnlyAdmin):
    """What newer servers asked that no role names, and which right answers for it."""

    list_display = ["resource", "action", "answered_as", "tenant", "version", "created_at"]
    list_filter = ["answered_as", "tenant__organization"]
    list_select_related = ["tenant"]
    search_fields = ["resource", "action", "tenant__name"]


@admin.register(TenantMove)
class TenantMoveAdmin(ReadOnlyAdmin):
    list_display = ["tenant", "origin", "destination", "step", "began_at", "ended_at", "asked_by"]
    list_filter = ["step", "destination", "tenant__organization"]
    list_select_related = ["tenant", "asked_by"]
    search_fields = ["tenant__name", "failure"]
    hidden = ["ticket_hash"]


@admin.register(DefaultHome)
class DefaultHomeAdmin(ReadOnlyAdmin):
    list_display = ["organization", "kind"]
    list_filter = ["kind"]
    list_select_related = ["organization"]
    search_fields = ["organization__name"]
