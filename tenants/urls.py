from django.urls import path

from tenants import run_views, views
from tenants.access.pages import grant_views, member_views
from tenants.moves import views as move_views
from tenants.run_templates.pages import compare_views, kept_views
from tenants.runs import artifact_views, saved_views, stop_views
from tenants.server_packages import views as package_views
from tenants.upgrades import views as upgrade_views

app_name = "tenants"
urlpatterns = [
    path("new/", views.create, name="create"),
    path("<slug:tenant>/", views.overview, name="overview"),
    path("<slug:tenant>/progress/", views.progress, name="progress"),
    path("<slug:tenant>/log/", views.log, name="log"),
    path("<slug:tenant>/settings/", views.settings, name="settings"),
    path("<slug:tenant>/settings/packages/", package_views.server_packages, name="server_packages"),
    path("<slug:tenant>/settings/upgrade/", upgrade_views.upgrade, name="upgrade"),
    path("<slug:tenant>/deactivate/", views.deactivate, name="deactivate"),
    path("<slug:tenant>/activate/", views.activate, name="activate"),
    path("<slug:tenant>/restart/", views.restart, name="restart"),
    path("<slug:tenant>/retry/", views.retry, name="retry"),
    path("<slug:tenant>/move/", move_views.move, name="move"),
    path("<slug:tenant>/delete/", views.delete, name="delete"),
    path("<slug:tenant>/members/", member_views.members, name="members"),
    path("<slug:tenant>/members/give/", grant_views.grant_give, name="grant_give"),
    path("<slug:tenant>/members/<uuid:grant>/withdraw/", grant_views.grant_withdraw, name="grant_withdraw"),
    path("<slug:tenant>/members/person/<uuid:membership>/", grant_views.person_roles, name="person_roles"),
    path("<slug:tenant>/members/team/<uuid:team>/", grant_views.team_roles, name="team_roles"),
    path("<slug:tenant>/join/", member_views.join, name="join"),
    path("<slug:tenant>/runs/", run_views.runs, name="runs"),
    path("<slug:tenant>/runs/compare/", compare_views.compare, name="compare"),
    path("<slug:tenant>/runs/compare/csv/", compare_views.compare_csv, name="compare_csv"),
    path("<slug:tenant>/runs/views/", saved_views.manage, name="saved_views"),
    path("<slug:tenant>/runs/columns/", run_views.run_columns, name="run_columns"),
    path("<slug:tenant>/runs/<uuid:run>/", run_views.run_detail, name="run_detail"),
    path("<slug:tenant>/runs/<uuid:run>/tags/", run_views.run_tags, name="run_tags"),
    path(
        "<slug:tenant>/runs/<uuid:run>/artifacts/<uuid:artifact>/download/",
        artifact_views.artifact_download,
        name="artifact_download",
    ),
    path(
        "<slug:tenant>/runs/<uuid:run>/artifacts/<uuid:artifact>/<int:index>/",
        artifact_views.artifact_frame,
        name="artifact_frame",
    ),
    path("<slug:tenant>/runs/<uuid:run>/stop/", stop_views.run_stop, name="run_stop"),
    path("<slug:tenant>/runs/<uuid:run>/output/", run_views.run_output, name="run_output"),
    path("<slug:tenant>/runs/<uuid:run>/written/", kept_views.run_kept, name="run_kept"),
    path("<slug:tenant>/runs/<uuid:run>/steps/<uuid:step>/log/", run_views.step_log, name="step_log"),
]
