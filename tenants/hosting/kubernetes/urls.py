from django.urls import path

from tenants.hosting.kubernetes import views

app_name = "kubernetes"
urlpatterns = [
    path("o/<slug:org>/t/<slug:tenant>/cluster/", views.detail, name="detail"),
]
