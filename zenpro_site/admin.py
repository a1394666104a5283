"""Django admin for superusers. What changes here changes through the same actions as on the pages."""

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.auth.views import LogoutView, redirect_to_login
from django.core.exceptions import PermissionDenied
from django.shortcuts import redirect

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
