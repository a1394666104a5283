from django.urls import path

from tenants.moves import carrier_views, default_home_views

app_name = "moves"
urlpatterns = [
    path("api/moves/<uuid:move>/database", carrier_views.database, name="database"),
    path("o/<slug:org>/default-home/", default_home_views.default_home, name="default_home"),
]
