"""Django admin for superusers. What changes here changes through the same actions as on the pages."""

from django.conf import settings
from django.contrib import messages
from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.auth.views import LogoutView, redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseRedirect
from django.shortcuts import redirect

from orgs.actions import Refused

APP_NAMES = {
    "account": "Email addresses",
    "control_plane": "Control plane",
    "domains": "Domains",
    "orgs": "Organizations",
    "run_templates": "Templates",
    "socialaccount": "Sign-in through a provider",
    "usage": "Limits",
    "mfa": "Two-factor sign-in",
    "users": "People",
    "usersessions": "Sessions",
}


class Site(AdminSite):
    """Signs in and out, and changes passwords, on our own pages."""

    site_header = "ZenPro administration"
    site_title = "ZenPro"
    index_title = "All records"

    def has_permission(self, request) -> bool:
        return request.user.is_active and request.user.is_superuser

    def get_app_list(self, request, app_label=None) -> list[dict]:
        """App names as words: "Control plane", "Organizations"."""
        found = super().get_app_list(request, app_label)
        for app in found:
            app["name"] = APP_NAMES.get(app["app_label"], app["name"])
        return found

    def login(self, request, extra_context=None):
        if self.has_permission(request):
            return redirect("admin:index")
        if request.user.is_authenticated:
            raise PermissionDenied("Only superusers can open the administration.")
        return redirect_to_login(request.GET.get("next") or request.path)

    def logout(self, request, extra_context=None):
        return LogoutView.as_view(next_page=settings.LOGIN_URL)(request)

    def password_change(self, request, extra_context=None):
        return redirect("account_change_password")


class ReadOnlyAdmin(ModelAdmin):
    """Rows to look at: they follow from other changes, or must stay as they were written."""

    hidden: tuple[str, ...] = ()

    def get_fields(self, request, obj=None) -> list[str]:
        """All columns, those that no form shows as well."""
        return [field.name for field in self.opts.fields if field.name not in self.hidden]

    def has_add_permission(self, request, obj=None) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def has_delete_permission(self, request, obj=None) -> bool:
        return False


class ActionsAdmin(ModelAdmin):
    """Rows that change through actions. What an action refuses is told, and nothing is written."""

    def get_actions(self, request) -> dict:
        """Without "delete selected", which asks no action."""
        found = super().get_actions(request)
        found.pop("delete_selected", None)
        return found

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except Refused as error:
            return self._tell(request, error)

    def delete_view(self, request, object_id, extra_context=None):
        try:
            return super().delete_view(request, object_id, extra_context)
        except Refused as error:
            return self._tell(request, error)

    def _tell(self, request, error: Refused):
        self.message_user(request, str(error), messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())

    def get_deleted_objects(self, objs, request):
        """Only the rows themselves: what ends with them is the action's business."""
        return [str(obj) for obj in objs], {}, set(), []
