from django.urls import path

from tenants.run_templates.pages import pod_views

app_name = "pods"
urlpatterns = [path("api/runs/<uuid:run>/code", pod_views.code, name="code")]
