from django.urls import path

from tenants.access.matrix import views

app_name = "matrix"
urlpatterns = [path("o/<slug:org>/matrix/", views.grid, name="grid")]
