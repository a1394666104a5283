"""What owners of objects inside a tenant shared with others (protocol §3.10)."""

from django.conf import settings
from django.db import models

from orgs.models import Membership
from orgs.teams.models import Team

from .grants import for_person
from .tenant import Tenant


class ShareQuerySet(models.QuerySet):
    def of_person(self, user):
        """What was shared with the person themselves and with their teams."""
        return self.filter(for_person(user))


class Share(models.Model):
    """One action on one object inside a tenant, shared by its owner from within ZenML (protocol §3.10)."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="shares")
    membership = models.ForeignKey(Membership, null=True, on_delete=models.CASCADE, related_name="shares")
    team = models.ForeignKey(Team, null=True, on_delete=models.CASCADE, related_name="shares")
    project_id = models.UUIDField(null=True)
    resource_type = models.CharField(max_length=40)
    resource_id = models.UUIDField()
    action = models.CharField(max_length=40)
    shared_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ShareQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["tenant", "resource_type", "resource_id"], name="share_by_resource")]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "resource_id", "resource_type", "action", "membership"],
                condition=models.Q(team=None),
                name="share_once_per_person",
            ),
            models.UniqueConstraint(
                fields=["tenant", "resource_id", "resource_type", "action", "team"],
                condition=models.Q(membership=None),
                name="share_once_per_team",
            ),
            models.CheckConstraint(
                condition=models.Q(team=None, membership__isnull=False)
                | models.Q(membership=None, team__isnull=False),
                name="share_to_person_or_team",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.resource_type}/{self.resource_id}: {self.action}"
