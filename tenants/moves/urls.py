from django.urls import path

from tenants.moves import carrier_views

app_name = "moves"
urlpatterns = [path("api/moves/<uuid:move>/database", carrier_views.database, name="database")]
