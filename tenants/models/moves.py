"""Tenants on their way from one home to another, and what they left behind there."""

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone

from .tenant import Tenant


class TenantMoveQuerySet(models.QuerySet):
    def open(self):
        """Those that are under way."""
        return self.filter(ended_at=None)

    def uncleared(self):
        """Those that are over, and something of the tenant may be left where it is no longer."""
        return self.exclude(ended_at=None).filter(cleared_at=None)


class TenantMove(models.Model):
    """One move of a tenant from one home to another. Its steps are the agent's; each may be begun again at any time."""

    NEWS = timedelta(days=7)

    class Step(models.TextChoices):
        STOPPING = "stopping", "The server stops"
        TAKING = "taking", "Its database is copied"
        PUTTING = "putting", "The copy is put into the new home"
        STARTING = "starting", "The server starts there"
        MOVED = "moved", "Moved"
        RETURNING = "returning", "The server starts where it was"
        RETURNED = "returned", "It failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="moves")
    origin = models.CharField(max_length=12, choices=Tenant.Kind)
    destination = models.CharField(max_length=12, choices=Tenant.Kind)
    step = models.CharField(max_length=10, choices=Step, default=Step.STOPPING)
    step_since = models.DateTimeField()
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    failure = models.CharField(max_length=500, blank=True)
    ticket_hash = models.CharField(
        max_length=64, blank=True, help_text="Of what its carrier shows once; empty when there is none."
    )
    ticket_for = models.CharField(max_length=3, blank=True, help_text="out or in")
    ticket_until = models.DateTimeField(null=True)
    cleared_at = models.DateTimeField(null=True, help_text="Nothing is left where the tenant is no longer.")

    objects = TenantMoveQuerySet.as_manager()

    class Meta:
        ordering = ["-began_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant"], condition=models.Q(ended_at=None), name="one_move_of_a_tenant_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"move of {self.tenant}"

    @property
    def is_over(self) -> bool:
        return self.ended_at is not None

    @property
    def is_news(self) -> bool:
        """Did it end so lately that people should be told what came of it?"""
        return self.is_over and timezone.now() - self.ended_at < self.NEWS

    @property
    def left(self) -> str:
        """The home in which the tenant is no longer, once it is over."""
        return self.origin if self.step == self.Step.MOVED else self.destination
