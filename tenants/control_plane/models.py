import hashlib
import secrets
import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone

from orgs.models import Organization
from tenants.models import Tenant


def hash_token(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class AccessTokenQuerySet(models.QuerySet):
    def issue(self, *, kind: str, lifetime: timedelta, user=None, tenant=None) -> str:
        """Store a new token and return it in clear, the only time it can be seen. Its expired like are deleted."""
        self.expired().filter(kind=kind, user=user, tenant=tenant).delete()
        token = f"zp{kind[0]}_{secrets.token_urlsafe(32)}"
        self.create(
            token_hash=hash_token(token),
            kind=kind,
            user=user,
            tenant=tenant,
            expires_at=timezone.now() + lifetime,
        )
        return token

    def valid(self, token: str):
        """Unexpired tokens equal to `token`: none or one."""
        return self.filter(token_hash=hash_token(token), expires_at__gt=timezone.now())

    def expired(self):
        return self.filter(expires_at__lte=timezone.now())


class AccessToken(models.Model):
    """A bearer token: of a person (`user`), or of a tenant's server (`server`). Only its hash is stored."""

    class Kind(models.TextChoices):
        USER = "user", "Person"
        SERVER = "server", "Tenant server"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    kind = models.CharField(max_length=8, choices=Kind)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="access_tokens"
    )
    tenant = models.ForeignKey(Tenant, null=True, on_delete=models.CASCADE, related_name="access_tokens")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)

    objects = AccessTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind="user", user__isnull=False)
                | models.Q(kind="server", tenant__isnull=False, user=None),
                name="access_token_has_its_subject",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} token of {self.user or self.tenant}"


class UsageEvent(models.Model):
    """What a tenant's server reports as created (+1) or deleted (-1); the server repeats itself (protocol §3.13)."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="usage_events")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="usage_events")
    feature = models.CharField(max_length=40)
    total = models.SmallIntegerField()
    resource_id = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "feature", "resource_id", "total"], name="usage_event_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.feature} {self.total:+d} in {self.tenant}"
