import json
import uuid
from dataclasses import asdict

from django.conf import settings
from django.db import connection, models, transaction
from django.utils import timezone

from orgs.models import Organization
from orgs.users.models import Actor, Origin
from zenpro_site.common.documents import DocumentField

from .chain import digest

BY_ITSELF = Origin(via="system")


class AppendOnly(models.QuerySet):
    """Events are added by record() alone. Keys of what is deleted become null past this class, by Django itself."""

    def _never(self, *args, **kwargs):
        raise TypeError("Audit events are neither changed nor deleted; AuditEvent.objects.record() adds one.")

    update = delete = bulk_create = bulk_update = _never


class AuditEventManager(models.Manager.from_queryset(AppendOnly)):
    @transaction.atomic
    def record(
        self,
        action,
        target,
        *,
        by: Actor | None = None,
        organization=None,
        before=None,
        after=None,
        outcome="done",
    ):
        """Append one event. Call it inside the transaction of the change it tells of, as late as possible:
        from here to the commit no one else can append.

        `action` is a verb with its noun ("team.member_added"), `target` the changed object,
        `by` who did it, and from where (None: the system);
        `before`/`after` are small JSON objects.
        """
        person, origin = (by.person, by.origin) if by else (None, BY_ITSELF)
        event = self.create(
            action=action,
            organization=organization,
            organization_key=str(organization.pk) if organization else "",
            actor=person,
            actor_key=str(person.pk) if person else "",
            actor_label=str(person) if person else "ZenPro",
            target_type=target._meta.model_name,
            target_id=str(target.pk),
            target_label=str(target)[:200],
            before=_as_stored(before),
            after=_as_stored(after),
            outcome=outcome,
            **asdict(origin),
        )
        AuditHead.objects.link(event)
        return event


def _as_stored(value: dict | None) -> dict:
    """Tuples, enumerations and number keys as they will be read back."""
    return json.loads(json.dumps(value or {}))


class AuditEvent(models.Model):
    """Append-only. Outlives its organization and its people: keys become null, their text and the labels stay.

    `number` counts all events of the installation without gaps; `hash` covers the event and `previous_hash`.
    """

    class Outcome(models.TextChoices):
        DONE = "done", "done"
        REFUSED = "refused", "refused"

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    at = models.DateTimeField(default=timezone.now, editable=False)
    organization = models.ForeignKey(
        Organization, null=True, on_delete=models.SET_NULL, related_name="audit_events"
    )
    organization_key = models.CharField(max_length=36, default="", editable=False)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="audit_events"
    )
    actor_key = models.CharField(max_length=36, default="", editable=False)
    actor_label = models.CharField(max_length=200)
    action = models.CharField(max_length=60)
    target_type = models.CharField(max_length=60)
    target_id = models.CharField(max_length=64)
    target_label = models.CharField(max_length=200)
    before = DocumentField(default=dict)
    after = DocumentField(default=dict)
    outcome = models.CharField(max_length=10, choices=Outcome, default=Outcome.DONE)
    via = models.CharField(max_length=20)
    ip = models.GenericIPAddressField(null=True)
    request_id = models.CharField(max_length=64, blank=True)
    number = models.PositiveBigIntegerField(null=True, unique=True, editable=False)
    previous_hash = models.CharField(max_length=64, default="", editable=False)
    hash = models.CharField(max_length=64, default="", editable=False)

    objects = AuditEventManager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["organization", "-id"], name="audit_by_organization"),
            models.Index(fields=["organization", "actor"], name="audit_by_actor"),
            models.Index(fields=["organization", "target_type", "target_id"], name="audit_by_target"),
            models.Index(fields=["organization", "action", "-id"], name="audit_by_action"),
            models.Index(fields=["organization", "at"], name="audit_by_day"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_label}: {self.action} {self.target_label}"


class AuditHeadManager(models.Manager):
    def locked(self) -> "AuditHead":
        """The head, held until the transaction ends: appending happens one after another.

        If it was removed, it is made again from the last event, so that changes go on.
        """
        last = AuditEvent.objects.exclude(number=None).order_by("number")
        made_again = {
            "number": lambda: last.values_list("number", flat=True).last() or 0,
            "hash": lambda: last.values_list("hash", flat=True).last() or "",
        }
        return self.select_for_update().get_or_create(pk=AuditHead.ONLY, defaults=made_again)[0]

    def link(self, event: AuditEvent) -> None:
        """Put a stored event at the end of the chain.

        PostgreSQL checks foreign keys at the commit, where it may wait for someone who waits for the head; so it
        has to do that before we take the head.
        """
        if connection.vendor == "postgresql":
            connection.check_constraints()
        head = self.locked()
        event.number, event.previous_hash = head.number + 1, head.hash
        event.hash = digest(event)
        link = {name: getattr(event, name) for name in ("number", "previous_hash", "hash")}
        AuditEvent._base_manager.filter(pk=event.pk).update(**link)
        self.filter(pk=head.pk).update(number=event.number, hash=event.hash)


class AuditHead(models.Model):
    """The end of the chain, in one row, and what the last check of it found."""

    ONLY = 1

    number = models.PositiveBigIntegerField(default=0)
    hash = models.CharField(max_length=64, default="", blank=True)
    checked_at = models.DateTimeField(null=True)
    checked_number = models.PositiveBigIntegerField(default=0)
    broken = models.CharField(max_length=200, default="", blank=True)

    objects = AuditHeadManager()

    def __str__(self) -> str:
        return f"#{self.number} {self.hash[:12]}"
