import uuid
from math import ceil

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from orgs.mails.models import Mail
from orgs.models import Membership
from orgs.roles.models import Role
from orgs.teams.models import Team
from tenants.credentials.models import ApiKey
from tenants.models import Tenant
from zenpro_site.common.documents import DocumentField
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
    declared = DocumentField(default=dict, help_text="File in it -> the packages it names, as requirements.")
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

    @property
    def short(self) -> str:
        """For people: "v3", with the commit where one is known."""
        return f"v{self.number}, {self.commit[:10]}" if self.commit else f"v{self.number}"


class RunTemplateQuerySet(models.QuerySet):
    def listed(self):
        """Those that people made or saved as templates."""
        return self.filter(is_listed=True)

    def guarded(self):
        """Those with rules: for a value, or for who may run them."""
        return self.listed().exclude(is_narrowed=False, field_rules=[])


class RunTemplate(PlainNames, models.Model):
    """A recorded run that people run again with another configuration.

    `snapshot` is the stored copy of the ZenML snapshot (rerun §2.2), so the template survives its deletion; beside what
    ZenML wrote, `stack_components` says what its stack's components may be set to (ADR 28).
    Runs that were asked for before `code` was changed keep the version they began with. One that is not listed is
    what a run needs to run again: made by the first click there, named like the run, and no template to people
    until someone saves it as one.
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
    snapshot = DocumentField()
    # Not protected: with the tenant both go.
    code = models.ForeignKey(
        CodeVersion,
        null=True,
        blank=True,
        on_delete=models.RESTRICT,
        related_name="templates",
        help_text="Empty where the pods of its runs take the recorded code; engine.carried_code.",
    )
    code_chosen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    code_chosen_at = models.DateTimeField(default=timezone.now)
    requirements = models.TextField(blank=True)
    requirements_changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    requirements_changed_at = models.DateTimeField(null=True, blank=True)
    default_configuration = DocumentField(default=dict)
    previous_configuration = DocumentField(
        default=dict,
        blank=True,
        help_text="The default before it was last changed, for Undo; empty for none.",
    )
    field_rules = models.JSONField(
        default=list, blank=True, help_text="Who may change what; tenants.run_templates.document.field_rules."
    )
    is_narrowed = models.BooleanField(
        default=False, help_text="Of those with the right to run templates, only its runners may run it."
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="templates_created"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    is_listed = models.BooleanField(default=True, help_text="Off for what one run alone needs to run again.")

    objects = RunTemplateQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "name"],
                condition=models.Q(is_listed=True),
                name="template_name_once_per_tenant",
            ),
            models.UniqueConstraint(
                fields=["tenant", "source_run_id"],
                condition=models.Q(is_listed=False),
                name="unlisted_template_once_per_run",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        tenant = self.tenant
        if not self.is_listed:
            return reverse(
                "tenants:run_detail", args=[tenant.organization.slug, tenant.slug, self.source_run_id]
            )
        return reverse("run_templates:detail", args=[tenant.organization.slug, tenant.slug, self.pk])

    @property
    def word(self) -> str:
        """What it is to people, who know of no template where none is listed."""
        return "template" if self.is_listed else "recorded run"


class TemplateRunner(models.Model):
    """A role on the tenant, a team or a member who may run a narrowed template; exactly one of the three is set."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    template = models.ForeignKey(RunTemplate, on_delete=models.CASCADE, related_name="runners")
    role = models.ForeignKey(Role, null=True, on_delete=models.CASCADE, related_name="+")
    team = models.ForeignKey(Team, null=True, on_delete=models.CASCADE, related_name="+")
    membership = models.ForeignKey(Membership, null=True, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["template", name], name=f"template_runner_{name}_once")
            for name in ("role", "team", "membership")
        ] + [
            models.CheckConstraint(
                condition=models.Q(role=None, team=None, membership__isnull=False)
                | models.Q(role=None, team__isnull=False, membership=None)
                | models.Q(role__isnull=False, team=None, membership=None),
                name="template_runner_is_one",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def holder(self) -> Role | Team | Membership:
        return self.role or self.team or self.membership

    @property
    def name(self) -> str:
        """For people: a role's, a team's or a person's."""
        if self.role:
            return f"role {self.role.name}"
        return f"team {self.team.label}" if self.team else str(self.membership.user)


class Preset(PlainNames, models.Model):
    """Values for a template under a name: for everyone who runs it, or for one person."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    template = models.ForeignKey(RunTemplate, on_delete=models.CASCADE, related_name="presets")
    name = models.CharField(max_length=80)
    is_shared = models.BooleanField(default=False)
    values = DocumentField(default=dict, help_text="What it sets, by path; secrets are sealed.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="presets"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-is_shared", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["template", "name"],
                condition=models.Q(is_shared=True),
                name="preset_shared_name_once",
            ),
            models.UniqueConstraint(
                fields=["template", "name", "created_by"],
                condition=models.Q(is_shared=False),
                name="preset_own_name_once",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PushKey(models.Model):
    """Lets its person push code of one run, or of one template, from a terminal; tenants.run_templates.push_keys."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="push_keys")
    run_id = models.UUIDField(null=True)
    template = models.ForeignKey(RunTemplate, null=True, on_delete=models.CASCADE, related_name="push_keys")
    again = models.CharField(
        max_length=6, blank=True, help_text="The door of the run that asked for code, where it goes on."
    )
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="push_keys")
    made_at = models.DateTimeField(auto_now_add=True)
    received = models.ForeignKey(CodeVersion, null=True, on_delete=models.SET_NULL, related_name="+")
    received_at = models.DateTimeField(null=True)
    refusal = models.CharField(max_length=500, help_text="Why what was sent last was not taken.")

    def __str__(self) -> str:
        return f"push of {self.person}"


class GitAccess(models.Model):
    """How a tenant reads one private git repository: with a token, or over ssh with a deploy key made here.

    `sealed` is read by tenants.run_templates.git_access alone, and never shown. Over ssh, nothing is sent before someone
    has confirmed the key that the host showed first.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="git_accesses")
    place = models.CharField(max_length=550, help_text="Address of the repository, always written one way.")
    sealed = models.TextField()
    public_key = models.CharField(max_length=300, blank=True, help_text="Of a deploy key; empty for a token.")
    host_key = models.TextField(blank=True, help_text="What the ssh host showed.")
    host_confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    host_confirmed_at = models.DateTimeField(null=True, blank=True)
    given_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    given_at = models.DateTimeField(default=timezone.now)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["place"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "place"], name="git_access_once_per_repository")
        ]

    def __str__(self) -> str:
        return self.place

    def get_absolute_url(self) -> str:
        tenant = self.tenant
        return reverse("run_templates:git_detail", args=[tenant.organization.slug, tenant.slug, self.pk])

    @property
    def is_ready(self) -> bool:
        """A token is at once; a deploy key when the host is confirmed."""
        return not self.public_key or self.host_confirmed_at is not None


class CodeTry(models.Model):
    """Imports every step from code before anything uses it, in the environment and the box of a run.

    The agent takes it through its states. `steps`: name -> {"module", "attribute"}; `roots`, `starts_in`: as of a
    CodeVersion; `recorded`: packages of the run, "name==version"; `integrations`: names, of its stack; `results`:
    StepImport.as_json() of each step.
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
    steps = DocumentField(default=dict)
    recorded = models.JSONField(default=list)
    integrations = models.JSONField(default=list)
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


class Sweep(models.Model):
    """Re-runs that were asked for together: one for each combination of values of up to two parameters."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    template = models.ForeignKey(RunTemplate, on_delete=models.CASCADE, related_name="sweeps")
    fields = models.JSONField(default=list, help_text="Which parameters: path, step, name.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="sweeps"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"sweep of {', '.join(one['name'] for one in self.fields)}"

    def get_absolute_url(self) -> str:
        tenant = self.template.tenant
        args = [tenant.organization.slug, tenant.slug, self.template_id, self.pk]
        return reverse("run_templates:sweep", args=args)


class TemplateRunQuerySet(models.QuerySet):
    def unfinished(self):
        """Re-runs the agent still has to look after."""
        return self.filter(state__in=TemplateRun.UNFINISHED)

    def unreported(self):
        """Re-runs that will make a run which no server has reported yet."""
        return self.unfinished().filter(zenml_run_id=None)

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
        SUBMITTED = "submitted", "On a remote stack"  # nothing of it is on this machine
        COMPLETED = "completed", "Completed"
        FAILED = "failed", "Failed"
        STOPPED = "stopped", "Stopped"

    UNFINISHED = (
        *(State.QUEUED, State.PREPARING, State.STARTING),
        *(State.RUNNING, State.STOPPING, State.SUBMITTED),
    )
    ENDED = (State.COMPLETED, State.FAILED, State.STOPPED)
    AWAITED = (State.QUEUED, State.PREPARING, State.STARTING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    template = models.ForeignKey(RunTemplate, on_delete=models.CASCADE, related_name="runs")
    code = models.ForeignKey(
        CodeVersion, null=True, blank=True, on_delete=models.RESTRICT, related_name="runs"
    )
    requirements = models.TextField(
        blank=True, help_text="Packages, as the template had them when it was asked for."
    )
    stack_id = models.UUIDField(
        null=True, blank=True, help_text="Another stack than the template's, where it was to go."
    )
    stack_name = models.CharField(max_length=200, blank=True, help_text="Of that stack.")
    continues = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="continued_by",
        help_text="The run whose completed steps it takes over.",
    )
    continues_from = models.CharField(
        max_length=250, blank=True, help_text="The step of that run where it goes on."
    )
    taken_over = models.JSONField(default=list, blank=True, help_text="Names of the steps it takes over.")
    sweep = models.ForeignKey(Sweep, null=True, blank=True, on_delete=models.SET_NULL, related_name="runs")
    preset = models.ForeignKey(
        Preset,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="runs",
        help_text="Whose values it was sent unchanged.",
    )
    number = models.PositiveIntegerField()
    run_name = models.CharField(max_length=250)
    configuration = DocumentField()
    changes = DocumentField(default=list, help_text="What differs from the template: path, before, after.")
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
    ticket_hash = models.CharField(
        max_length=64, blank=True, help_text="Of what its pod shows once to get the code, until it has."
    )
    ticket_until = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    stop_sent_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the process was asked to stop; one that does not listen is ended.",
    )
    given_up_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When someone ended it without waiting for its stack, where it may go on.",
    )
    over_since = models.DateTimeField(
        null=True, blank=True, help_text="Since when the process goes on although its run has ended."
    )
    asked_with = models.ForeignKey(ApiKey, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    stop_reason = models.CharField(
        max_length=300, blank=True, help_text="Why it was stopped when nobody asked for that."
    )
    queued_at = models.DateTimeField(auto_now_add=True)
    start_after = models.DateTimeField(
        null=True, blank=True, help_text="Until then it waits and can be undone; empty when it need not wait."
    )
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    is_unsettled = models.BooleanField(
        default=False, help_text="It ended, and the tenant has not heard of that yet."
    )

    kept_bytes = models.PositiveBigIntegerField(
        default=0, help_text="Size of what it wrote in its working directory, while that is kept."
    )
    kept_until = models.DateTimeField(null=True, blank=True)

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
        return f"{self.template} re-run {self.number}"

    def get_absolute_url(self) -> str:
        tenant = self.template.tenant
        return reverse(
            "run_templates:run_detail",
            args=[tenant.organization.slug, tenant.slug, self.template_id, self.number],
        )

    @property
    def is_kept(self) -> bool:
        """Can what it wrote in its working directory be downloaded?"""
        return self.kept_until is not None and self.kept_until > timezone.now()

    @property
    def has_ended(self) -> bool:
        return self.state in self.ENDED

    @property
    def is_submitted(self) -> bool:
        """Is it carried out elsewhere, by its stack?"""
        return self.state == self.State.SUBMITTED

    @property
    def stack(self) -> str:
        """The name of the stack it goes to."""
        return self.stack_name if self.stack_id else self.template.stack_name

    @property
    def can_be_given_up(self) -> bool:
        """Is its stack to stop it, which lasts as long as the running step does?"""
        return self.is_submitted and self.cancel_requested_at is not None and self.given_up_at is None

    @property
    def state_words(self) -> str:
        """For people."""
        stack = self.stack if self.is_submitted else ""
        if not stack:
            return self.get_state_display()
        return f"Stopping on {stack}" if self.cancel_requested_at else f"Runs on {stack}"

    @property
    def wait_reason(self) -> str:
        """Why it has not begun, a sentence; "" when nothing is in its way, or it is not to begin any more."""
        return self.state_reason if self.state in self.AWAITED and not self.cancel_requested_at else ""

    @property
    def seconds_to_undo(self) -> int:
        """For how long it can still be undone, rounded up; 0 when it can't be."""
        if self.state != self.State.QUEUED or self.start_after is None:
            return 0
        return max(0, ceil((self.start_after - timezone.now()).total_seconds()))


class NoticeWhen(models.TextChoices):
    """Of which ends of re-runs a person is told."""

    ALWAYS = "always", "When they end"
    FAILED = "failed", "Only when they fail"
    NEVER = "never", "Never"


class NoticeWay(models.TextChoices):
    """How a person is told. Each of their choices is about one way; others of theirs have a choice of their own."""

    MAIL = "mail", "By email"
    WEBHOOK = "webhook", "To your webhook"


class RunNotice(models.Model):
    """Whether a person wants to be told when this re-run ends. It decides alone, whatever else they chose."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    run = models.ForeignKey(TemplateRun, on_delete=models.CASCADE, related_name="notices")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="run_notices")
    way = models.CharField(max_length=10, choices=NoticeWay, default=NoticeWay.MAIL)
    is_wanted = models.BooleanField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "person", "way"], name="run_notice_once_a_way")]

    def __str__(self) -> str:
        return f"notice of {self.run}"


class TemplateNotice(models.Model):
    """Of which runs of a template a person is told, whoever starts them; no row for none."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    template = models.ForeignKey(RunTemplate, on_delete=models.CASCADE, related_name="notices")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="template_notices"
    )
    way = models.CharField(max_length=10, choices=NoticeWay, default=NoticeWay.MAIL)
    when = models.CharField(max_length=10, choices=NoticeWhen)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["template", "person", "way"], name="template_notice_once_a_way")
        ]

    def __str__(self) -> str:
        return f"notices of {self.template}"


class OwnNotice(models.Model):
    """Of which runs that they start themselves a person is told: in every tenant, or in one, which is then decided there.

    By mail: no row for none. To their webhook: a row as long as they have one, so that it also says that they do.
    For one tenant: no row where it is as everywhere.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="own_notices")
    tenant = models.ForeignKey(
        Tenant, null=True, blank=True, on_delete=models.CASCADE, related_name="own_notices"
    )
    way = models.CharField(max_length=10, choices=NoticeWay, default=NoticeWay.MAIL)
    when = models.CharField(max_length=10, choices=NoticeWhen)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person", "way"], condition=models.Q(tenant=None), name="own_notice_once_a_way"
            ),
            models.UniqueConstraint(fields=["person", "way", "tenant"], name="own_notice_once_a_tenant"),
        ]

    def __str__(self) -> str:
        return "notices of their own runs"


class NoticeMail(models.Model):
    """Which run a mail tells of, and whom: asked once more, when it is sent, whether they may still read that."""

    mail = models.OneToOneField(Mail, primary_key=True, on_delete=models.CASCADE, related_name="about_run")
    run = models.ForeignKey(TemplateRun, on_delete=models.CASCADE, related_name="notice_mails")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notice_mails"
    )

    def __str__(self) -> str:
        return f"mail about {self.run}"
