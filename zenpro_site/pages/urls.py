from django.urls import path

from orgs.members import views as membership_views
from orgs.organizations import security_views, views

from . import home_views, member_views, organization_views, tenant_run_views

app_name = "orgs"
urlpatterns = [
    path("new/", views.create, name="create"),
    path("<slug:org>/", home_views.home, name="home"),
    path("<slug:org>/runs/", tenant_run_views.runs, name="runs"),
    path("<slug:org>/runs/columns/", tenant_run_views.run_columns, name="run_columns"),
    path("<slug:org>/runs/views/", tenant_run_views.saved_views, name="saved_views"),
    path("<slug:org>/runs/compare/", tenant_run_views.compare, name="runs_compare"),
    path("<slug:org>/members/", member_views.members, name="members"),
    path("<slug:org>/members/export.csv", member_views.members_export, name="members_export"),
    path("<slug:org>/members/team/", member_views.members_team, name="members_team"),
    path("<slug:org>/members/role/", member_views.members_role, name="members_role"),
    path("<slug:org>/members/remove/", member_views.members_remove, name="members_remove"),
    path("<slug:org>/members/<uuid:membership>/", member_views.member_detail, name="member_detail"),
    path("<slug:org>/members/<uuid:membership>/role/", member_views.member_role, name="member_role"),
    path("<slug:org>/members/<uuid:membership>/remove/", member_views.member_remove, name="member_remove"),
    path("<slug:org>/leave/", membership_views.leave, name="leave"),
    path("<slug:org>/settings/", views.settings, name="settings"),
    path("<slug:org>/settings/two-factor/", security_views.two_factor, name="two_factor"),
    path("<slug:org>/settings/package-builds/", security_views.package_builds, name="package_builds"),
    path("<slug:org>/delete/", organization_views.delete, name="delete"),
]
