from django.db import models

from orgs.models import Organization
from tenants.models import Tenant


class Feature(models.TextChoices):
    """What can be limited, by the names a ZenML server asks with (protocol §3.12)."""

    PROJECT = "project", "Projects"
    PIPELINE = "pipeline", "Pipelines"
    RUN = "pipeline_run", "Pipeline runs"
    MODEL = "model", "Models"
    TEMPLATE_RUN = "template_run", "Template runs"


# Counted from zero each month. Of the others, what exists counts: deleting makes room.
MONTHLY = frozenset({Feature.RUN, Feature.TEMPLATE_RUN})


class QuotaQuerySet(models.QuerySet):
    def over(self, tenant: Tenant, *features: str):
        """What limits this tenant: its own quotas and those of its organization, in one order for all who lock."""
        rows = self.filter(organization=tenant.organization_id, feature__in=features)
        return rows.filter(models.Q(tenant=None) | models.Q(tenant=tenant.pk)).order_by("pk")

    def of_organization(self):
        return self.filter(tenant=None)


class Quota(models.Model):
    """At most `limit` of a feature: in one tenant, or without `tenant` in all of the organization. No row, no limit."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="quotas")
    tenant = models.ForeignKey(Tenant, null=True, blank=True, on_delete=models.CASCADE, related_name="quotas")
    feature = models.CharField(max_length=20, choices=Feature)
    limit = models.PositiveIntegerField()

    objects = QuotaQuerySet.as_manager()

    class Meta:
        ordering = ["organization", "tenant", "feature"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "feature"],
                condition=models.Q(tenant=None),
                name="quota_once_per_organization",
            ),
            models.UniqueConstraint(fields=["tenant", "feature"], name="quota_once_per_tenant"),
        ]

    def __str__(self) -> str:
        return f"{self.limit} {self.get_feature_display().lower()} in {self.tenant or self.organization}"


class UsageEvent(models.Model):
    """What a tenant's server reports as created (+1) or deleted (-1); the server repeats itself (protocol §3.13)."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="usage_events")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="usage_events")
    feature = models.CharField(max_length=40)
    total = models.SmallIntegerField()
    resource_id = models.CharField(max_length=64)
    repeated = models.BooleanField(default=False, help_text="A run is reported again when it begins.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "feature", "resource_id", "total"], name="usage_event_once"
            )
        ]
        indexes = [
            models.Index(fields=["organization", "feature", "created_at"], name="usage_event_by_feature")
        ]

    def __str__(self) -> str:
        return f"{self.feature} {self.total:+d} in {self.tenant}"
