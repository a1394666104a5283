from django.urls import path
from django.views.generic import RedirectView

from . import views

app_name = "users"
urlpatterns = [
    path("accounts/email/", views.email, name="email"),  # stands before allauth's own
    path("accounts/sessions/", RedirectView.as_view(pattern_name="users:sessions")),  # in its place as well
    path("accounts/3rdparty/", RedirectView.as_view(pattern_name="users:settings")),
    path("accounts/3rdparty/signup/", RedirectView.as_view(pattern_name="account_login")),
    path("settings/", views.settings, name="settings"),
    path("settings/sessions/", views.sessions, name="sessions"),
    path("settings/sessions/end/", views.sign_out_everywhere, name="sign_out_everywhere"),
    path("settings/sessions/<int:session>/end/", views.session_end, name="session_end"),
    path("welcome/", views.no_organization, name="no_organization"),
]
