from django.urls import path

from . import views

app_name = "invitations"
urlpatterns = [
    path("o/<slug:org>/invitations/", views.list, name="list"),
]
