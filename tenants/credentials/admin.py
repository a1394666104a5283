from django.contrib import admin

from tenants.credentials.models import AccessToken, ApiKey, DeviceEntry, DeviceLogin, KeyEntry
from zenpro_site.common.admin import ReadOnlyAdmin


@admin.register(AccessToken)
class AccessTokenAdmin(ReadOnlyAdmin):
    """Only that they exist; the tokens themselves are stored nowhere."""

    list_display = ["kind", "user", "tenant", "created_at", "expires_at"]
    list_filter = ["kind", "expires_at"]
    list_select_related = ["user", "tenant"]
    search_fields = ["user__email", "user__name", "tenant__name"]
    hidden = ("token_hash",)


@admin.register(DeviceLogin)
class DeviceLoginAdmin(ReadOnlyAdmin):
    """Computers on which people signed in; the codes are of no use anymore."""

    list_display = ["created_at", "host", "user", "tenant", "state", "ip", "trusted"]
    list_filter = ["state", "trusted"]
    list_select_related = ["user", "tenant"]
    search_fields = ["host", "user__email", "user__name", "tenant__name"]
    hidden = ("device_code_hash", "user_code")


@admin.register(KeyEntry)
class KeyEntryAdmin(ReadOnlyAdmin):
    """Where accounts came in with a key; the agent signs them out there when it ends."""

    list_display = ["api_key", "tenant", "entered_at", "ends_at", "cut_at"]
    list_filter = ["cut_at", "tenant__organization"]
    list_select_related = ["api_key", "tenant"]
    search_fields = ["api_key__label", "api_key__user__name", "tenant__name"]


@admin.register(DeviceEntry)
class DeviceEntryAdmin(ReadOnlyAdmin):
    """Where people came in with a computer; the agent signs them out there when they sign that computer out."""

    list_display = ["device", "tenant", "entered_at", "cut_at"]
    list_filter = ["cut_at", "tenant__organization"]
    list_select_related = ["device", "tenant"]
    search_fields = ["device__host", "device__user__name", "tenant__name"]


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """Keys of service accounts and people; they are revoked on their own pages."""

    list_display = [
        "label",
        "user",
        "prefix",
        "tenant",
        "created_by",
        "created_at",
        "expires_at",
        "revoked_at",
    ]
    list_filter = ["user__is_service_account", "expires_at", "revoked_at"]
    list_select_related = ["user", "tenant", "created_by"]
    search_fields = ["label", "prefix", "user__email", "user__name", "tenant__name"]
    hidden = ("key_hash", "previous_hash")
