from django.urls import path

from . import views

app_name = "users"
urlpatterns = [
    path("accounts/email/", views.email, name="email"),  # stands before allauth's own
    path("settings/", views.settings, name="settings"),
    path("welcome/", views.no_organization, name="no_organization"),
]
