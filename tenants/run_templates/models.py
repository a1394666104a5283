import uuid

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from tenants.credentials.models import ApiKey
from tenants.models import Tenant
from zenpro_site.common.names import PlainNames


class CodeVersion(models.Model):
    """Code of a pipeline as someone handed it over: an immutable copy under the data folder, named by `code_hash`.

    `roots`: the folders in it that modules are imported from, ZenML's source root first; `starts_in`: the folder where
    relative paths in the code begin. "" is its top.
    """

    class Kind(models.TextChoices):
        FOLDER = "folder", "Folder on the server"
        ARCHIVE = "archive", "Archive"
        GIT = "git", "Git repository"
        PUSH = "push", "Pushed from a terminal"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="code_versions")
    pipeline_name = models.CharField(max_length=200)
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=Kind)
    origin = models.CharField(max_length=500, help_text="A path, the name of a file, or an address.")
    revision = models.CharField(max_length=250, blank=True, help_text="The branch or tag that was asked for.")
    commit = models.CharField(max_length=40, blank=True)
    code_hash = models.CharField(max_length=64)
    roots = models.JSONField(default=list)
    starts_in = models.CharField(max_length=1024, blank=True)
    files = models.PositiveIntegerField(default=0)
    bytes = models.PositiveBigIntegerField(default=0)
    declared = models.JSONField(
        default=dict, help_text="File in it -> the packages it names, as requirements."
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="code_added"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "pipeline_name", "number"], name="code_number_once_per_pipeline"
            )
        ]

    def __str__(self) -> str:
        return f"{self.pipeline_name} v{self.number}"

    @property
    def came_from(self) -> str:
        """For people."""
        return "pushed from a terminal" if self.kind == self.Kind.PUSH else self.origin


class RunTemplate(PlainNames, models.Model):
    """A recorded run that people run again with another configuration.

    `snapshot` is the stored copy of the ZenML snapshot (rerun §2.2), so the template survives its deletion.
    Runs that were asked for before `code` was changed keep the version they began with.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="templates")
    name = models.CharField(max_length=80)
    description = models.CharField(max_length=500, blank=True)
    pipeline_name = models.CharField(max_length=200)
    project_id = models.UUIDField()
    source_run_id = models.UUIDField()
    source_run_name = models.CharField(max_length=250)
    source_snapshot_id = models.UUIDField()
    stack_id = models.UUIDField()
    stack_name = models.CharField(max_length=200)
    snapshot = models.JSONField()
    # Not protected: with the tenant both go.
    code = models.ForeignKey(CodeVersion, on_delete=models.RESTRICT, related_name="templates")
    code_chosen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    code_chosen_at = models.DateTimeField(default=timezone.now)
    requirements = models.TextField(blank=True)
    requirements_changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    requirements_changed_at = models.DateTimeField(null=True, blank=True)
    default_configuration = models.JSONField(default=dict)
    previous_configuration = models.JSONField(
        default=dict,
        blank=True,
        help_text="The default before it was last changed, for Undo; empty for none.",
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="templates_created"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="template_name_once_per_tenant")
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        tenant = self.tenant
        return reverse("run_templates:detail", args=[tenant.organization.slug, tenant.slug, self.pk])


class PushKey(models.Model):
    """Lets its person push code of one run, or of one template, from a terminal; tenants.run_templates.push_keys."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="push_keys")
    run_id = models.UUIDField(null=True)
    template = models.ForeignKey(RunTemplate, null=True, on_delete=models.CASCADE, related_name="push_keys")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="push_keys")
    made_at = models.DateTimeField(auto_now_add=True)
    received = models.ForeignKey(CodeVersion, null=True, on_delete=models.SET_NULL, related_name="+")
    received_at = models.DateTimeField(null=True)
    refusal = models.CharField(max_length=500, help_text="Why what was sent last was not taken.")

    def __str__(self) -> str:
        return f"push of {self.person}"


class CodeTry(models.Model):
    """Imports every step from code before anything uses it, in the environment and the box of a run.

    The agent takes it through its states. `steps`: name -> {"module", "attribute"}; `roots`, `starts_in`: as of a
    CodeVersion; `recorded`: packages of the run, "name==version"; `results`: StepImport.as_json() of each step.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        INSTALLING = "installing", "Installing packages"
        IMPORTING = "importing", "Importing steps"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    UNFINISHED = (State.WAITING, State.INSTALLING, State.IMPORTING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    code = models.ForeignKey(CodeVersion, on_delete=models.CASCADE, related_name="tries")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="code_tries")
    roots = models.JSONField(default=list)
    starts_in = models.CharField(max_length=1024, blank=True)
    requirements = models.TextField(blank=True)
    steps = models.JSONField(default=dict)
    recorded = models.JSONField(default=list)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING, db_index=True)
    reason = models.CharField(max_length=700, blank=True, help_text="Why it failed.")
    results = models.JSONField(default=list)
    asked_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"try of {self.code}"

    def get_absolute_url(self) -> str:
        tenant = self.code.tenant
        return reverse("run_templates:try", args=[tenant.organization.slug, tenant.slug, self.pk])

    @property
    def has_ended(self) -> bool:
        return self.state not in self.UNFINISHED


class TemplateRunQuerySet(models.QuerySet):
    def unfinished(self):
        """Re-runs the agent still has to look after."""
        return self.filter(state__in=TemplateRun.UNFINISHED)

    def unsettled(self):
        """Re-runs that ended, of whose end their tenants have not heard."""
        return self.filter(is_unsettled=True)


class TemplateRun(models.Model):
    """One re-run: what was sent, what differed, who, and where it stands. Kept for ever."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        PREPARING = "preparing", "Preparing"
        STARTING = "starting", "Starting"
        RUNNING = "running", "Running"
        STOPPING = "stopping", "Stopping"
        COMPLETED = "completed", "Completed"
        FAILED = "failed", "Failed"
        STOPPED = "stopped", "Stopped"

    UNFINISHED = (State.QUEUED, State.PREPARING, State.STARTING, State.RUNNING, State.STOPPING)
    ENDED = (State.COMPLETED, State.FAILED, State.STOPPED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    template = models.ForeignKey(RunTemplate, on_delete=models.CASCADE, related_name="runs")
    code = models.ForeignKey(CodeVersion, on_delete=models.RESTRICT, related_name="runs")
    number = models.PositiveIntegerField()
    run_name = models.CharField(max_length=250)
    configuration = models.JSONField()
    changes = models.JSONField(default=list, help_text="What differs from the template: path, before, after.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="template_runs"
    )
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED, db_index=True)
    state_reason = models.CharField(max_length=500, blank=True)
    zenml_snapshot_id = models.UUIDField(null=True, blank=True)
    zenml_run_id = models.UUIDField(null=True, blank=True, db_index=True)
    pid = models.PositiveIntegerField(null=True, blank=True)
    pid_started = models.CharField(
        max_length=40,
        blank=True,
        help_text="Start time of the process, so a reused pid is not taken for ours.",
    )
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    stop_sent_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the process was asked to stop; one that does not listen is ended.",
    )
    over_since = models.DateTimeField(
        null=True, blank=True, help_text="Since when the process goes on although its run has ended."
    )
    asked_with = models.ForeignKey(ApiKey, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    stop_reason = models.CharField(
        max_length=300, blank=True, help_text="Why it was stopped when nobody asked for that."
    )
    queued_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    is_unsettled = models.BooleanField(
        default=False, help_text="It ended, and the tenant has not heard of that yet."
    )

    objects = TemplateRunQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["template", "number"], name="template_run_number_once"),
        ]
        indexes = [
            models.Index(fields=["id"], condition=models.Q(is_unsettled=True), name="template_run_unsettled"),
        ]

    def __str__(self) -> str:
        return f"{self.template} #{self.number}"

    def get_absolute_url(self) -> str:
        tenant = self.template.tenant
        return reverse(
            "run_templates:run_detail",
            args=[tenant.organization.slug, tenant.slug, self.template_id, self.number],
        )

    @property
    def has_ended(self) -> bool:
        return self.state in self.ENDED
