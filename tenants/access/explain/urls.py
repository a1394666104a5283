from django.urls import path

from tenants.access.explain import views

app_name = "explain"
urlpatterns = [
    path("access/", views.question, name="question"),
    path("members/<uuid:membership>/access/", views.person, name="person"),
]
