from django.contrib import admin

from zenpro_site.common.admin import ReadOnlyAdmin

from .models import Webhook, WebhookDelivery


@admin.register(Webhook)
class WebhookAdmin(ReadOnlyAdmin):
    """Address and secret are sealed and not shown."""

    list_display = ["template", "person", "host", "when", "set_by", "set_at"]
    list_select_related = ["template", "person", "set_by"]
    list_filter = ["when"]
    search_fields = ["template__name", "person__email", "host"]
    hidden = ("sealed",)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    """What is waiting, delivered or failed."""

    list_display = ["run", "webhook", "state", "attempts", "status", "next_try_at", "error"]
    list_filter = ["state"]
    list_select_related = ["run__template", "webhook__template", "webhook__person"]
    search_fields = ["run__run_name", "webhook__template__name", "webhook__person__email"]
    show_full_result_count = False
