from django.urls import path

from . import views

app_name = "teams"
urlpatterns = [
    path("", views.team_list, name="list"),
    path("new/", views.team_create, name="create"),
    path("<uuid:team>/", views.team_detail, name="detail"),
    path("<uuid:team>/edit/", views.team_edit, name="edit"),
    path("<uuid:team>/delete/", views.team_delete, name="delete"),
    path("<uuid:team>/members/add/", views.member_add, name="member_add"),
    path(
        "<uuid:team>/members/<uuid:membership>/maintainer/add/", views.maintainer_add, name="maintainer_add"
    ),
    path(
        "<uuid:team>/members/<uuid:membership>/maintainer/remove/",
        views.maintainer_remove,
        name="maintainer_remove",
    ),
    path("<uuid:team>/members/<uuid:membership>/remove/", views.member_remove, name="member_remove"),
]
