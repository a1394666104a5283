from django.urls import path

from . import views

app_name = "orgs"
urlpatterns = [
    path("new/", views.create, name="create"),
    path("<slug:org>/", views.home, name="home"),
    path("<slug:org>/members/", views.members, name="members"),
    path("<slug:org>/settings/", views.settings, name="settings"),
]
