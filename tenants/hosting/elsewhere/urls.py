from django.urls import path

from tenants.hosting.elsewhere import views

app_name = "enrollment"
ONE = "o/<slug:org>/t/<slug:tenant>/server/"
urlpatterns = [
    path(ONE, views.detail, name="detail"),
    path(f"{ONE}correct/", views.correct, name="correct"),
]
