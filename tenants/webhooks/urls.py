from django.urls import path

from . import own_views, views

app_name = "webhooks"
TENANT = "o/<slug:org>/t/<slug:tenant>/"
TEMPLATE = f"{TENANT}templates/<uuid:template>/"
WEBHOOK = f"{TEMPLATE}webhook/"
OWN = "settings/webhook/"
urlpatterns = [
    path(WEBHOOK, views.detail, name="detail"),
    path(f"{WEBHOOK}secret/", views.secret, name="secret"),
    path(f"{WEBHOOK}test/", views.test, name="test"),
    path(f"{WEBHOOK}remove/", views.remove, name="remove"),
    path(f"{WEBHOOK}deliveries/<uuid:delivery>/retry/", views.retry, name="retry"),
    path(OWN, own_views.own, name="own"),
    path(f"{OWN}secret/", own_views.own_secret, name="own_secret"),
    path(f"{OWN}test/", own_views.own_test, name="own_test"),
    path(f"{OWN}remove/", own_views.own_remove, name="own_remove"),
    path(f"{OWN}deliveries/<uuid:delivery>/retry/", own_views.own_retry, name="own_retry"),
    path("settings/notices/test/", own_views.try_default, name="try_default"),
    path(f"{TENANT}notices/test/", own_views.try_tenant, name="try_tenant"),
    path(f"{TEMPLATE}notices/test/", own_views.try_template, name="try_template"),
    path(f"{TEMPLATE}runs/<int:number>/notice/test/", own_views.try_run, name="try_run"),
]
