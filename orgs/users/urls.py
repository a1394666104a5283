from django.urls import path

from . import views

app_name = "users"
urlpatterns = [
    path("settings/", views.settings, name="settings"),
    path("welcome/", views.no_organization, name="no_organization"),
]
