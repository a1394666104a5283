from django.urls import path

from . import views

app_name = "matrix"
urlpatterns = [path("o/<slug:org>/matrix/", views.grid, name="grid")]
