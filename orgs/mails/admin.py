from django.contrib import admin

from zenpro_site.common.admin import ReadOnlyAdmin

from .models import Mail


@admin.register(Mail)
class MailAdmin(ReadOnlyAdmin):
    """What is waiting, sent or failed. Bodies are sealed and not shown."""

    list_display = ["to", "subject", "organization", "state", "attempts", "next_try_at", "error"]
    list_filter = ["state"]
    list_select_related = ["organization"]
    search_fields = ["to", "subject", "organization__name"]
    hidden = ("sealed_body",)
    show_full_result_count = False
