from django.urls import path
from django.views.generic import RedirectView

from . import two_factor_views, views

app_name = "users"
# Below accounts/ each stands before allauth's own page of that address.
urlpatterns = [
    path("accounts/2fa/", two_factor_views.index, name="two_factor"),
    path("accounts/2fa/totp/activate/", two_factor_views.totp_activate, name="totp_activate"),
    path("accounts/2fa/totp/deactivate/", two_factor_views.totp_deactivate, name="totp_deactivate"),
    path("accounts/2fa/recovery-codes/generate/", two_factor_views.codes_generate, name="codes_generate"),
    path("accounts/2fa/webauthn/", RedirectView.as_view(pattern_name="users:two_factor")),
    path("accounts/2fa/webauthn/add/", two_factor_views.passkey_add, name="passkey_add"),
    path("accounts/2fa/webauthn/keys/<int:pk>/edit/", two_factor_views.passkey_rename, name="passkey_rename"),
    path(
        "accounts/2fa/webauthn/keys/<int:pk>/remove/", two_factor_views.passkey_remove, name="passkey_remove"
    ),
    path("settings/two-factor/for/<slug:org>/", two_factor_views.needed, name="two_factor_needed"),
    path("settings/two-factor/done/", two_factor_views.done, name="two_factor_done"),
    path("accounts/email/", views.email, name="email"),
    path("accounts/sessions/", RedirectView.as_view(pattern_name="users:sessions")),
    path("accounts/3rdparty/", RedirectView.as_view(pattern_name="users:settings")),
    path("accounts/3rdparty/signup/", RedirectView.as_view(pattern_name="account_login")),
    path("settings/", views.settings, name="settings"),
    path("settings/sessions/", views.sessions, name="sessions"),
    path("settings/sessions/end/", views.sign_out_everywhere, name="sign_out_everywhere"),
    path("settings/sessions/<int:session>/end/", views.session_end, name="session_end"),
    path("welcome/", views.no_organization, name="no_organization"),
]
