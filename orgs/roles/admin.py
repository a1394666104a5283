from django.contrib import admin

from zenpro_site.common.admin import ReadOnlyAdmin

from .models import Role, RolePermission


class RolePermissionInline(admin.TabularInline):
    model = RolePermission
    fields = ["resource", "action"]
    can_delete = False
    extra = 0
    max_num = 0

    def has_change_permission(self, request, obj=None) -> bool:
        return False


@admin.register(Role)
class RoleAdmin(ReadOnlyAdmin):
    """Predefined roles are what the code says; they can't be changed here."""

    list_display = ["name", "level", "organization", "predefined", "rank"]
    list_filter = ["level", "predefined", "organization"]
    list_select_related = ["organization"]
    search_fields = ["name", "slug", "organization__name"]
    inlines = [RolePermissionInline]


@admin.register(RolePermission)
class RolePermissionAdmin(ReadOnlyAdmin):
    list_display = ["role", "level", "organization", "resource", "action"]
    list_filter = ["role__level", "resource", "action"]
    list_select_related = ["role__organization"]
    search_fields = ["role__name", "role__organization__name", "resource", "action"]

    @admin.display(ordering="role__level")
    def level(self, row) -> str:
        return row.role.get_level_display()

    @admin.display(ordering="role__organization__name")
    def organization(self, row) -> str:
        return row.role.organization.name
