from django.urls import path

from tenants.run_templates.pods import views

app_name = "pods"
urlpatterns = [path("api/runs/<uuid:run>/code", views.code, name="code")]
