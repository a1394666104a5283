import uuid

from django.conf import settings
from django.db import models

from orgs.models import Organization


class AuditEventManager(models.Manager):
    def record(self, action, target, *, by=None, organization=None, before=None, after=None, outcome="done"):
        """Append one event. Call it inside the transaction of the change it tells of.

        `action` is a verb with its noun ("team.member_added"), `target` the changed object,
        `by` the acting User (None: the system), whose `origin` says from where;
        `before`/`after` are small JSON objects.
        """
        origin = getattr(by, "origin", None)
        return self.create(
            action=action,
            organization=organization,
            actor=by,
            actor_label=str(by) if by else "ZenPro",
            target_type=target._meta.model_name,
            target_id=str(target.pk),
            target_label=str(target)[:200],
            before=before or {},
            after=after or {},
            outcome=outcome,
            via=origin.via if origin else "system",
            ip=origin.ip if origin else None,
            request_id=origin.request_id if origin else "",
        )


class AuditEvent(models.Model):
    """Append-only. Outlives its organization and its people: keys become null, the labels stay."""

    class Outcome(models.TextChoices):
        DONE = "done", "done"
        REFUSED = "refused", "refused"

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    at = models.DateTimeField(auto_now_add=True)
    organization = models.ForeignKey(
        Organization, null=True, on_delete=models.SET_NULL, related_name="audit_events"
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="audit_events"
    )
    actor_label = models.CharField(max_length=200)
    action = models.CharField(max_length=60)
    target_type = models.CharField(max_length=60)
    target_id = models.CharField(max_length=64)
    target_label = models.CharField(max_length=200)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    outcome = models.CharField(max_length=10, choices=Outcome, default=Outcome.DONE)
    via = models.CharField(max_length=20)
    ip = models.GenericIPAddressField(null=True)
    request_id = models.CharField(max_length=64, blank=True)

    objects = AuditEventManager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["organization", "-id"], name="audit_by_organization")]

    def __str__(self) -> str:
        return f"{self.actor_label}: {self.action} {self.target_label}"
