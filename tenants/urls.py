from django.urls import path

from . import views

app_name = "tenants"
urlpatterns = [
    path("new/", views.create, name="create"),
    path("<slug:tenant>/", views.overview, name="overview"),
    path("<slug:tenant>/runs/", views.runs, name="runs"),
    path("<slug:tenant>/members/", views.members, name="members"),
    path("<slug:tenant>/settings/", views.settings, name="settings"),
]
