from django.contrib import admin

from zenpro_site.common.admin import ActionsAdmin, ReadOnlyAdmin

from . import actions
from .models import (
    CodeTry,
    CodeVersion,
    GitAccess,
    NoticeMail,
    OwnNotice,
    Preset,
    PushKey,
    RunNotice,
    RunTemplate,
    Sweep,
    TemplateNotice,
    TemplateRun,
    TemplateRunner,
)


@admin.register(RunTemplate)
class RunTemplateAdmin(ActionsAdmin):
    """Created from a run, on the run's page; renamed, described and deleted here as well."""

    list_display = [
        "name",
        "tenant",
        "organization",
        "pipeline_name",
        "stack_name",
        "created_by",
        "updated_at",
    ]
    list_filter = ["is_listed", "tenant__organization", "pipeline_name"]
    list_select_related = ["tenant__organization", "created_by"]
    search_fields = ["name", "description", "pipeline_name", "tenant__name"]
    changeable = ["name", "description", "requirements"]
    fixed = [
        "tenant",
        "is_listed",
        "field_rules",
        "is_narrowed",
        "pipeline_name",
        "stack_name",
        "source_run_name",
        "code",
        "default_configuration",
        "previous_configuration",
        "created_by",
        "created_at",
    ]

    def get_fields(self, request, obj=None):
        return [*self.changeable, *self.fixed]

    def get_readonly_fields(self, request, obj=None):
        return self.fixed

    @admin.display(ordering="tenant__organization__name")
    def organization(self, template) -> str:
        return template.tenant.organization.name

    def has_add_permission(self, request) -> bool:
        return False

    def save_model(self, request, obj, form, change):
        words = {name: getattr(obj, name) for name in self.changeable}
        actions.update_template(template=obj, by=request.actor, **words)

    def delete_model(self, request, obj):
        actions.delete_template(template=obj, by=request.actor)


@admin.register(TemplateRun)
class TemplateRunAdmin(ReadOnlyAdmin):
    """Kept forever as they were sent."""

    list_display = [
        "run_name",
        "template",
        "tenant",
        "number",
        "state",
        "created_by",
        "queued_at",
        "ended_at",
    ]
    list_filter = ["state", "template__tenant__organization"]
    list_select_related = ["template__tenant", "created_by"]
    search_fields = ["run_name", "template__name", "created_by__email", "zenml_run_id"]
    date_hierarchy = "queued_at"

    @admin.display(ordering="template__tenant__name")
    def tenant(self, run) -> str:
        return run.template.tenant.name


@admin.register(CodeVersion)
class CodeVersionAdmin(ReadOnlyAdmin):
    """Handed over on the pages of runs and templates; removed when nothing uses it."""

    list_display = ["pipeline_name", "number", "tenant", "kind", "origin", "created_by", "created_at"]
    list_filter = ["kind", "tenant__organization"]
    list_select_related = ["tenant", "created_by"]
    search_fields = ["pipeline_name", "origin", "commit", "code_hash", "tenant__name"]
    date_hierarchy = "created_at"


@admin.register(PushKey)
class PushKeyAdmin(ReadOnlyAdmin):
    """Made on a page for a command, for half an hour; the text of a key is stored nowhere."""

    list_display = ["person", "tenant", "template", "made_at", "received", "received_at"]
    list_filter = ["tenant__organization"]
    list_select_related = ["person", "tenant", "template", "received"]
    search_fields = ["person__email", "tenant__name", "template__name"]
    date_hierarchy = "made_at"


@admin.register(TemplateRunner)
class TemplateRunnerAdmin(ReadOnlyAdmin):
    """Set on the template's page “Who may run it”."""

    list_display = ["template", "role", "team", "membership"]
    list_filter = ["template__tenant__organization"]
    list_select_related = ["template", "role", "team", "membership__user", "membership__organization"]
    search_fields = ["template__name", "team__label", "membership__user__name"]


@admin.register(Preset)
class PresetAdmin(ReadOnlyAdmin):
    """Saved on the form of a run; what they set may hold sealed secrets."""

    list_display = ["name", "template", "is_shared", "created_by", "updated_at"]
    list_filter = ["is_shared", "template__tenant__organization"]
    list_select_related = ["template", "created_by"]
    search_fields = ["name", "template__name", "created_by__email"]


@admin.register(RunNotice)
class RunNoticeAdmin(ReadOnlyAdmin):
    """People choose for themselves whether they are told."""

    list_display = ["run", "person", "way", "is_wanted"]
    list_filter = ["way", "is_wanted"]
    list_select_related = ["run__template", "person"]
    search_fields = ["run__template__name", "person__email"]


@admin.register(TemplateNotice)
class TemplateNoticeAdmin(ReadOnlyAdmin):
    """The same for all runs of a template."""

    list_display = ["template", "person", "way", "when"]
    list_filter = ["way", "when"]
    list_select_related = ["template", "person"]
    search_fields = ["template__name", "person__email"]


@admin.register(OwnNotice)
class OwnNoticeAdmin(ReadOnlyAdmin):
    """The same for the runs a person starts."""

    list_display = ["person", "tenant", "way", "when"]
    list_filter = ["way", "when"]
    list_select_related = ["person", "tenant"]
    search_fields = ["person__email"]


@admin.register(NoticeMail)
class NoticeMailAdmin(ReadOnlyAdmin):
    """Which mails tell of a run; sent only while the person may read it."""

    list_display = ["mail", "run", "person"]
    list_filter = ["mail__state"]
    list_select_related = ["mail", "run__template", "person"]
    search_fields = ["run__template__name", "person__email"]
    show_full_result_count = False


@admin.register(GitAccess)
class GitAccessAdmin(ReadOnlyAdmin):
    """Given on the page “Git access” of a tenant; what opens a repository is shown nowhere."""

    list_display = ["place", "tenant", "given_by", "given_at", "host_confirmed_by", "used_at"]
    list_filter = ["tenant__organization"]
    list_select_related = ["tenant", "given_by", "host_confirmed_by"]
    search_fields = ["place", "tenant__name", "given_by__email"]
    hidden = ("sealed",)


@admin.register(CodeTry)
class CodeTryAdmin(ReadOnlyAdmin):
    """Asked for on the page where code is checked; forgotten after a day."""

    list_display = ["code", "tenant", "person", "state", "reason", "asked_at", "ended_at"]
    list_filter = ["state", "code__tenant__organization"]
    list_select_related = ["code__tenant", "person"]
    search_fields = ["code__pipeline_name", "code__tenant__name", "person__email"]
    date_hierarchy = "asked_at"

    @admin.display(ordering="code__tenant__name")
    def tenant(self, one) -> str:
        return one.code.tenant.name


@admin.register(Sweep)
class SweepAdmin(ReadOnlyAdmin):
    """Asked for on the page of a template, all its runs at once."""

    list_display = ["__str__", "template", "created_by", "created_at"]
    list_filter = ["template__tenant__organization"]
    list_select_related = ["template", "created_by"]
    search_fields = ["template__name", "created_by__email"]
