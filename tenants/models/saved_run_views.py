"""Filters of a list of runs that people keep for themselves."""

import uuid

from django.conf import settings
from django.db import models

from orgs.models import Organization
from zenpro_site.common.names import PlainNames

from .tenant import Tenant


class SavedRunView(PlainNames, models.Model):
    """A person's own name for filters, sorting and columns of a list of runs. Nobody else sees it.

    The list is that of a tenant, or that of all tenants of an organization.
    """

    MOST = 20  # of one person for one list

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    tenant = models.ForeignKey(
        Tenant, null=True, blank=True, on_delete=models.CASCADE, related_name="saved_run_views"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_run_views"
    )
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=2000, blank=True, help_text="As in the address, without ?")

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "user", "name"], name="saved_run_view_name_once"),
            models.UniqueConstraint(
                fields=["organization", "user", "name"],
                condition=models.Q(tenant=None),
                name="saved_run_view_of_all_name_once",
            ),
        ]

    def __str__(self) -> str:
        return self.name
