from django.urls import path

from . import matrix_views, views

app_name = "roles"
urlpatterns = [
    path("", views.role_list, name="list"),
    path("matrix/", matrix_views.matrix, name="matrix"),
    path("new/", views.role_create, name="create"),
    path("import/", views.role_import, name="import"),
    path("<uuid:role>/", views.role_detail, name="detail"),
    path("<uuid:role>/preview/", views.rights_preview, name="preview"),
    path("<uuid:role>/rights/", views.rights_save, name="rights"),
    path("<uuid:role>/edit/", views.role_edit, name="edit"),
    path("<uuid:role>/delete/", views.role_delete, name="delete"),
    path("<uuid:role>/export/", views.role_export, name="export"),
]
