import uuid
from datetime import timedelta

from django.db import models
from django.utils import timezone

from orgs.models import Organization
from zenpro_site.common.sealing import seal, unseal

# How long to wait after the first, second and third failed attempt. After the fourth the mail has failed.
PAUSES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))
# An agent that stays silent this long after taking a mail is gone. Longer than a slow server may need.
LEASE = timedelta(minutes=3)
LIFETIME = timedelta(days=7)
KEEP = timedelta(days=90)


def in_a_week():
    return timezone.now() + LIFETIME


class MailQuerySet(models.QuerySet):
    def due(self):
        """Queued mails whose time has come, the longest waiting first."""
        now = timezone.now()
        waiting = self.filter(state=Mail.State.QUEUED, next_try_at__lte=now, expires_at__gt=now)
        return waiting.order_by("next_try_at", "created_at")

    def failed(self):
        return self.filter(state=Mail.State.FAILED)

    def cancel(self) -> int:
        """Send none of these any more, and forget what is in them. Returns how many were still queued."""
        queued = self.filter(state=Mail.State.QUEUED).update(
            state=Mail.State.CANCELLED, settled_at=timezone.now()
        )
        self.update(sealed_body="")
        return queued

    def tidy(self) -> None:
        """Give up what has waited too long, forget its body, and delete old rows."""
        now = timezone.now()
        late = self.filter(expires_at__lte=now)
        late.filter(state=Mail.State.QUEUED).update(
            state=Mail.State.FAILED, error="It waited too long to still be useful.", settled_at=now
        )
        late.exclude(sealed_body="").update(sealed_body="")
        self.filter(settled_at__lte=now - KEEP).delete()


class Mail(models.Model):
    """A mail of an organization, written in the transaction of what it tells of and sent by the agent.

    The body may hold a link that lets someone in: it is encrypted, and wiped once it was sent or is of no use.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        SENT = "sent", "Sent"
        FAILED = "failed", "Delivery failed"
        CANCELLED = "cancelled", "Not sent any more"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="mails")
    to = models.EmailField()
    subject = models.CharField(max_length=250)
    sealed_body = models.TextField(blank=True, editable=False)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(default=timezone.now)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(default=in_a_week)
    settled_at = models.DateTimeField(null=True, blank=True)

    objects = MailQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(
                fields=["next_try_at"], condition=models.Q(state="queued"), name="mail_queued_by_time"
            )
        ]

    def __str__(self) -> str:
        return f"{self.subject} to {self.to}"

    def write(self, text: str, html: str) -> None:
        """Not saved."""
        self.sealed_body = seal({"text": text, "html": html})

    def read(self) -> dict[str, str]:
        """`text` and `html` in clear. Raises SecretsUnreadable when the keys were changed, or it was wiped."""
        return unseal(self.sealed_body)

    @property
    def settled(self) -> bool:
        return self.state != self.State.QUEUED

    @property
    def can_be_retried(self) -> bool:
        return self.state == self.State.FAILED and bool(self.sealed_body) and self.expires_at > timezone.now()
