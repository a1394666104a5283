"""Where an organization's new tenants live, unless whoever creates one says otherwise."""

from django.db import models

from orgs.models import Organization

from .tenant import Tenant, own_homes


class DefaultHomeQuerySet(models.QuerySet):
    def of(self, organization: Organization) -> str:
        """Kind of home: what the organization has chosen where there is a choice, else the one there is."""
        homes = own_homes()
        if len(homes) < 2:
            return homes[0] if homes else Tenant.Kind.LOCAL
        chosen = self.filter(organization=organization).values_list("kind", flat=True).first()
        return chosen or homes[0]


class DefaultHome(models.Model):
    """What an organization has chosen; no row: this machine."""

    organization = models.OneToOneField(Organization, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=12, choices=Tenant.Kind)

    objects = DefaultHomeQuerySet.as_manager()

    def __str__(self) -> str:
        return f"default home of {self.organization}"
