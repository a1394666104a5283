from django.urls import path

from . import views

app_name = "audit"
urlpatterns = [
    path("", views.event_list, name="list"),
    path("export.csv", views.export, {"suffix": "csv"}, name="export_csv"),
    path("export.jsonl", views.export, {"suffix": "jsonl"}, name="export_jsonl"),
]
