from django.urls import path

from tenants.run_templates.pages import (
    again_views,
    code_views,
    default_views,
    git_views,
    preset_views,
    push_views,
    rerun_views,
    rule_views,
    sweep_views,
    try_views,
    views,
)

app_name = "run_templates"
ONE = "o/<slug:org>/t/<slug:tenant>/templates/<uuid:template>/"
KEPT = "o/<slug:org>/t/<slug:tenant>/git/<uuid:access>/"
urlpatterns = [
    path("o/<slug:org>/templates/", views.org_list, name="org_list"),
    path("o/<slug:org>/t/<slug:tenant>/templates/", views.list, name="list"),
    path("o/<slug:org>/t/<slug:tenant>/templates/new/", views.create, name="create"),
    path("o/<slug:org>/t/<slug:tenant>/code/", code_views.add, name="code_add"),
    path("o/<slug:org>/t/<slug:tenant>/code/<uuid:code>/", code_views.check, name="code"),
    path("o/<slug:org>/t/<slug:tenant>/code/push/<uuid:push>/", push_views.push, name="push"),
    path("o/<slug:org>/t/<slug:tenant>/runs/<uuid:run>/again/", again_views.again, name="again"),
    path("o/<slug:org>/t/<slug:tenant>/runs/<uuid:run>/prepare/", again_views.prepare, name="prepare"),
    path("o/<slug:org>/t/<slug:tenant>/code/tries/<uuid:code_try>/", try_views.one_try, name="try"),
    path("o/<slug:org>/t/<slug:tenant>/git/", git_views.git_list, name="git_list"),
    path(KEPT, git_views.git_detail, name="git_detail"),
    path(f"{KEPT}confirm/", git_views.git_confirm, name="git_confirm"),
    path(f"{KEPT}read/", git_views.git_read, name="git_read"),
    path(f"{KEPT}remove/", git_views.git_remove, name="git_remove"),
    path("push/", push_views.receive, name="receive"),
    path(ONE, views.detail, name="detail"),
    path(f"{ONE}edit/", views.edit, name="edit"),
    path(f"{ONE}save/", again_views.save, name="save"),
    path(f"{ONE}delete/", views.delete, name="delete"),
    path(f"{ONE}code/<uuid:code>/", views.use_code, name="use_code"),
    path(f"{ONE}default/", default_views.make_default, name="make_default"),
    path(f"{ONE}rules/", rule_views.rules, name="rules"),
    path(f"{ONE}runners/", rule_views.runners, name="runners"),
    path(f"{ONE}presets/new/", preset_views.new, name="preset_new"),
    path(f"{ONE}presets/<uuid:preset>/", preset_views.edit, name="preset_edit"),
    path(f"{ONE}presets/<uuid:preset>/run/", preset_views.run, name="preset_run"),
    path(f"{ONE}presets/<uuid:preset>/delete/", preset_views.delete, name="preset_delete"),
    path(f"{ONE}sweeps/new/", sweep_views.new, name="sweep_new"),
    path(f"{ONE}sweeps/<uuid:sweep>/", sweep_views.sweep, name="sweep"),
    path(f"{ONE}run/", rerun_views.run, name="run"),
    path(f"{ONE}runs/<int:number>/", rerun_views.run_detail, name="run_detail"),
    path(f"{ONE}runs/<int:number>/cancel/", rerun_views.cancel, name="cancel"),
    path(f"{ONE}runs/<int:number>/undo/", rerun_views.undo, name="undo"),
]
