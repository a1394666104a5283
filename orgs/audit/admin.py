from django.contrib import admin

from zenpro_site.common.admin import ReadOnlyAdmin

from .models import AuditEvent, AuditHead
from .sentences import tell


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ["number", "at", "sentence", "outcome", "organization", "via", "ip"]
    list_filter = ["outcome", "via", "action", "organization"]
    list_select_related = ["organization"]
    search_fields = ["actor_label", "target_label", "action", "request_id"]
    date_hierarchy = "at"
    show_full_result_count = False

    @admin.display(description="event", ordering="action")
    def sentence(self, event) -> str:
        return tell(event)


@admin.register(AuditHead)
class AuditHeadAdmin(ReadOnlyAdmin):
    list_display = ["number", "hash", "checked_at", "checked_number", "broken"]
    list_filter = ["checked_at"]
    search_fields = ["hash"]
