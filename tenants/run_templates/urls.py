from django.urls import path

from . import views

app_name = "run_templates"
urlpatterns = [
    path("o/<slug:org>/templates/", views.org_list, name="org_list"),
    path("o/<slug:org>/t/<slug:tenant>/templates/", views.list, name="list"),
]
