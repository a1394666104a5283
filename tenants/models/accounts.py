"""Accounts that people have inside the servers of tenants."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from .tenant import Tenant


class TenantAccountQuerySet(models.QuerySet):
    def enter(self, tenant: Tenant, user) -> None:
        """Note that the tenant's server is about to let the person in. One statement, run before we answer yes."""
        row = self.model(tenant=tenant, user=user, entered_at=timezone.now(), cut_at=None)
        keys, news = ["tenant", "user"], ["entered_at", "cut_at"]
        self.bulk_create([row], update_conflicts=True, unique_fields=keys, update_fields=news)


class TenantAccount(models.Model):
    """The account a person has inside a tenant's server since they signed in there.

    `cut_at`: when that account was switched off because the person can no longer enter; empty while it may be active.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="accounts")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tenant_accounts"
    )
    entered_at = models.DateTimeField()
    cut_at = models.DateTimeField(null=True)

    objects = TenantAccountQuerySet.as_manager()

    class Meta:
        ordering = ["-entered_at"]
        constraints = [models.UniqueConstraint(fields=["tenant", "user"], name="tenant_account_once")]
        indexes = [
            models.Index(fields=["tenant"], condition=models.Q(cut_at=None), name="tenant_account_open")
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.tenant}"
