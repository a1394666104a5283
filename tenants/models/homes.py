"""Where an organization's new tenants live, unless whoever creates one says otherwise."""

from django.conf import settings
from django.db import models

from orgs.models import Organization

from .tenant import Tenant


class DefaultHomeQuerySet(models.QuerySet):
    def of(self, organization: Organization) -> str:
        """Kind of home: this machine unless the organization has chosen another one that there still is."""
        if settings.ZENPRO_KUBERNETES is None:
            return Tenant.Kind.LOCAL
        chosen = self.filter(organization=organization).values_list("kind", flat=True).first()
        return chosen or Tenant.Kind.LOCAL


class DefaultHome(models.Model):
    """What an organization has chosen; no row: this machine."""

    organization = models.OneToOneField(Organization, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=12, choices=Tenant.Kind)

    objects = DefaultHomeQuerySet.as_manager()

    def __str__(self) -> str:
        return f"default home of {self.organization}"
