from django.urls import path

from . import views

app_name = "usage"
OF_TENANT = "o/<slug:org>/t/<slug:tenant>/usage/"
urlpatterns = [
    path("o/<slug:org>/usage/", views.organization, name="organization"),
    path("o/<slug:org>/usage/csv/", views.organization_csv, name="organization_csv"),
    path("o/<slug:org>/usage/limits/", views.organization_limits, name="organization_limits"),
    path(OF_TENANT, views.tenant, name="tenant"),
    path(f"{OF_TENANT}csv/", views.tenant_csv, name="tenant_csv"),
    path(f"{OF_TENANT}limits/", views.tenant_limits, name="tenant_limits"),
]
