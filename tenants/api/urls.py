from django.urls import path

from . import views
from .app import api

app_name = "api"
urlpatterns = [
    path("openapi.json", views.openapi, name="openapi"),
    path("docs", views.docs, name="docs"),
    *api.urls[0],
]
