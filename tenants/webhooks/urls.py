from django.urls import path

from . import views

app_name = "webhooks"
WEBHOOK = "o/<slug:org>/t/<slug:tenant>/templates/<uuid:template>/webhook/"
urlpatterns = [
    path(WEBHOOK, views.detail, name="detail"),
    path(f"{WEBHOOK}secret/", views.secret, name="secret"),
    path(f"{WEBHOOK}test/", views.test, name="test"),
    path(f"{WEBHOOK}remove/", views.remove, name="remove"),
    path(f"{WEBHOOK}deliveries/<uuid:delivery>/retry/", views.retry, name="retry"),
]
