"""What newer servers ask about and no role names."""

from django.db import models

from .tenant import Tenant


class UnknownRight(models.Model):
    """A type or an action that a newer server asked about and that no role of ours names: noted once, for superusers."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="unknown_rights")
    resource = models.CharField(max_length=40)
    action = models.CharField(max_length=40)
    answered_as = models.CharField(max_length=81, help_text="The right that answers for it.")
    version = models.CharField(max_length=20, blank=True, help_text="Of the server that asked first.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [models.UniqueConstraint(fields=["resource", "action"], name="unknown_right_once")]

    def __str__(self) -> str:
        return f"{self.resource}:{self.action}"
