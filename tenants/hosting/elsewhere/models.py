from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone

from tenants.models import Tenant

NOTE_EVERY = timedelta(seconds=2)  # anyone can call with a wrong secret: write no more often than this


class EnrollmentQuerySet(models.QuerySet):
    def note_call(self, tenant_id, url: str, version: str) -> None:
        """The tenant's server called with the right secret, and said in its headers what it is (protocol §3)."""
        found = {"called_at": timezone.now(), "claimed_url": url[:200], "claimed_version": version[:20]}
        self.filter(tenant=tenant_id).update(**found)

    def note_refusal(self, tenant_id) -> None:
        """Someone called as the tenant with another secret. What else the call says can't be trusted."""
        now = timezone.now()
        due = Q(refused_at=None) | Q(refused_at__lte=now - NOTE_EVERY)
        wanted = Tenant.DesiredState.AVAILABLE
        self.filter(due, tenant=tenant_id, tenant__desired_state=wanted).update(refused_at=now)


class Enrollment(models.Model):
    """What is heard from the server of a tenant whose kind is ELSEWHERE: we check it, and never start or stop it.

    The address and version that were entered are the tenant's own.
    """

    tenant = models.OneToOneField(
        Tenant, primary_key=True, on_delete=models.CASCADE, related_name="enrollment"
    )
    called_at = models.DateTimeField(null=True)
    claimed_url = models.CharField(max_length=200, blank=True)
    claimed_version = models.CharField(max_length=20, blank=True)
    refused_at = models.DateTimeField(null=True)
    looked_at = models.DateTimeField(null=True)
    trouble = models.CharField(
        max_length=300, blank=True, help_text="Why it did not answer at the last look."
    )
    answered_at = models.DateTimeField(null=True, help_text="When it last answered as this tenant.")

    objects = EnrollmentQuerySet.as_manager()

    class Meta:
        ordering = ["tenant"]

    def __str__(self) -> str:
        return f"Server of {self.tenant}"

    @property
    def wrong_secret(self) -> bool:
        """Did the last call come with another secret?"""
        return self.refused_at is not None and (self.called_at is None or self.called_at < self.refused_at)

    @property
    def wrong_url(self) -> bool:
        """Does the server name another address than was entered?"""
        return self.called_at is not None and not same_url(self.claimed_url, self.tenant.server_url)

    @property
    def wrong_version(self) -> bool:
        return self.called_at is not None and self.claimed_version != self.tenant.zenml_version


def same_url(one: str, other: str) -> bool:
    return one.rstrip("/").lower() == other.rstrip("/").lower()
