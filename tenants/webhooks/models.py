import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone

from tenants.run_templates.models import RunTemplate, TemplateRun
from zenpro_site.common.sealing import seal, unseal

# How long to wait after the first to fourth failed attempt. After the fifth the delivery has failed.
PAUSES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2))
# An agent that stays silent this long after taking a delivery is gone. Longer than any call may last.
LEASE = timedelta(minutes=2)
LIFETIME = timedelta(days=1)  # later it is no news any more
KEEP = timedelta(days=30)


def in_a_day():
    return timezone.now() + LIFETIME


class Webhook(models.Model):
    """Where another service is told that runs have ended: those of a template, or those that a person wants to hear of.

    The address often lets whoever knows it post there, so it is sealed like the secret; pages show its host alone.
    That of a template acts for the person who set it up last: without their right to change the template, nothing is
    sent. A person's own is sent what they may read. What they want to hear of is theirs to choose (OwnNotice and others).
    """

    class When(models.TextChoices):
        ALWAYS = "always", "When they end"
        FAILED = "failed", "Only when they fail"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    template = models.OneToOneField(
        RunTemplate, null=True, blank=True, on_delete=models.CASCADE, related_name="webhook"
    )
    person = models.OneToOneField(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="webhook"
    )
    host = models.CharField(max_length=260, help_text="Of the address, with its port, for people.")
    sealed = models.TextField(editable=False)
    when = models.CharField(max_length=10, choices=When, default=When.ALWAYS)
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="webhooks_set"
    )
    set_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(template=None) ^ models.Q(person=None), name="webhook_of_one"
            )
        ]

    def __str__(self) -> str:
        return f"webhook of {self.template or self.person}"

    def write(self, address: str, secret: str) -> None:
        """Not saved."""
        self.sealed = seal({"address": address, "secret": secret})

    def read(self) -> dict[str, str]:
        """`address` and `secret` in clear. Raises SecretsUnreadable when the keys were changed."""
        return unseal(self.sealed)


class WebhookDeliveryQuerySet(models.QuerySet):
    def due(self):
        """Queued deliveries whose time has come, the longest waiting first."""
        now = timezone.now()
        waiting = self.filter(state=WebhookDelivery.State.QUEUED, next_try_at__lte=now, expires_at__gt=now)
        return waiting.order_by("next_try_at", "created_at")

    def tidy(self) -> None:
        """Give up what has waited too long, and delete old rows."""
        now, states = timezone.now(), WebhookDelivery.State
        late = self.filter(state=states.QUEUED, expires_at__lte=now)
        late.update(state=states.FAILED, error="It waited too long to still be news.", settled_at=now)
        self.filter(settled_at__lte=now - KEEP).delete()


class WebhookDelivery(models.Model):
    """The news of one run for one webhook, written in the transaction that ended the run and sent by the agent."""

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting"
        SENT = "sent", "Delivered"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Not sent"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    run = models.ForeignKey(TemplateRun, on_delete=models.CASCADE, related_name="webhook_deliveries")
    body = models.TextField(help_text="JSON as it is signed and sent, the same at every attempt.")
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(default=timezone.now)
    status = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="HTTP status of the last answer."
    )
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(default=in_a_day)
    settled_at = models.DateTimeField(null=True, blank=True)

    objects = WebhookDeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        verbose_name_plural = "webhook deliveries"
        constraints = [models.UniqueConstraint(fields=["webhook", "run"], name="webhook_run_once")]
        indexes = [
            models.Index(
                fields=["next_try_at"], condition=models.Q(state="queued"), name="webhook_queued_by_time"
            )
        ]

    def __str__(self) -> str:
        return f"news of {self.run}"

    @property
    def can_be_retried(self) -> bool:
        return self.state == self.State.FAILED and self.expires_at > timezone.now()
