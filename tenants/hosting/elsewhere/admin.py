from django.contrib import admin

from tenants.hosting.elsewhere.models import Enrollment
from zenpro_site.common.admin import ReadOnlyAdmin


@admin.register(Enrollment)
class EnrollmentAdmin(ReadOnlyAdmin):
    list_display = ["tenant", "called_at", "claimed_url", "claimed_version", "answered_at", "trouble"]
    list_filter = ["called_at", "tenant__organization"]
    list_select_related = ["tenant"]
    search_fields = ["tenant__name", "claimed_url"]
