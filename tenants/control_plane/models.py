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
    def issue(self, *, kind: str, lifetime: timedelta, user=None, tenant=None, device=None) -> str:
        """Store a new token and return it in clear, the only time it can be seen. Its expired like are deleted."""
        self.expired().filter(kind=kind, user=user, tenant=tenant).delete()
        token = f"zp{kind[0]}_{secrets.token_urlsafe(32)}"
        self.create(
            token_hash=hash_token(token),
            kind=kind,
            user=user,
            tenant=tenant,
            device=device,
            expires_at=timezone.now() + lifetime,
        )
        return token

    def valid(self, token: str):
        """Unexpired tokens equal to `token`: none or one."""
        return self.filter(token_hash=hash_token(token), expires_at__gt=timezone.now())

    def expired(self):
        return self.filter(expires_at__lte=timezone.now())


class DeviceLoginQuerySet(models.QuerySet):
    def live(self):
        """Requests that can still be answered or collected."""
        return self.filter(expires_at__gt=timezone.now())

    def signed_in(self):
        """Devices that hold a token which still works."""
        return self.filter(tokens__expires_at__gt=timezone.now()).distinct()


class DeviceLogin(models.Model):
    """One `zenml login`: asked for by a computer, answered by a person in her browser, then collected once.

    After that it stands for the computer among the person's devices. What the computer says of itself is its own claim.
    """

    class State(models.TextChoices):
        PENDING = "pending", "Waiting for an answer"
        APPROVED = "approved", "Approved"
        DENIED = "denied", "Denied"
        COLLECTED = "collected", "Signed in"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client_id = models.UUIDField()
    device_code_hash = models.CharField(max_length=64, unique=True, editable=False)
    user_code = models.CharField(max_length=9, unique=True, editable=False)
    host = models.CharField(max_length=100, blank=True)
    system = models.CharField(max_length=100, blank=True)
    python_version = models.CharField(max_length=30, blank=True)
    zenml_version = models.CharField(max_length=30, blank=True)
    ip = models.GenericIPAddressField(null=True)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="device_logins"
    )
    tenant = models.ForeignKey(Tenant, null=True, on_delete=models.CASCADE, related_name="device_logins")
    trusted = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    polled_at = models.DateTimeField(null=True)

    objects = DeviceLoginQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=["pending", "denied"])
                | models.Q(user__isnull=False, tenant__isnull=False),
                name="device_login_approved_by_somebody",
            )
        ]

    def __str__(self) -> str:
        return self.host or "A computer"


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
    device = models.ForeignKey(DeviceLogin, null=True, on_delete=models.CASCADE, related_name="tokens")
    last_used_at = models.DateTimeField(null=True)
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

    def note_use(self) -> None:
        """Remember that it was used, at most once a minute."""
        now = timezone.now()
        if self.last_used_at is None or now - self.last_used_at > timedelta(minutes=1):
            AccessToken.objects.filter(pk=self.pk).update(last_used_at=now)


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
