import hashlib
import secrets
import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone

from orgs.models import Organization
from tenants.models import Tenant
from zenpro_site.common.lasting import lasting
from zenpro_site.common.names import PlainNames


def hash_token(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class AccessTokenQuerySet(models.QuerySet):
    def issue(
        self, *, kind: str, lifetime: timedelta, user=None, tenant=None, device=None, api_key=None
    ) -> str:
        """Store a new token and return it in clear, the only time it can be seen. Its expired like are deleted."""
        self.expired().filter(kind=kind, user=user, tenant=tenant).delete()
        token = f"zp{kind[0]}_{secrets.token_urlsafe(32)}"
        self.create(
            token_hash=hash_token(token),
            kind=kind,
            user=user,
            tenant=tenant,
            device=device,
            api_key=api_key,
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

    def useless(self):
        """Requests and sign-ins that are over. Those that were signed out stay until the agent has ended what they opened."""
        over = self.filter(expires_at__lte=timezone.now(), tokens=None)
        return over.exclude(state=DeviceLogin.State.SIGNED_OUT, entries__isnull=False)


class DeviceLogin(models.Model):
    """One `zenml login`: asked for by a computer, answered by a person in their browser, then collected once.

    After that it stands for the computer among the person's devices. What the computer says of itself is its own claim.
    """

    class State(models.TextChoices):
        PENDING = "pending", "Waiting for an answer"
        APPROVED = "approved", "Approved"
        DENIED = "denied", "Denied"
        COLLECTED = "collected", "Signed in"
        SIGNED_OUT = "signed_out", "Signed out"

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

    @property
    def home(self) -> uuid.UUID | None:
        """Id of the tenant at whose own address it was asked for; None for the address of all that we host."""
        return self.tenant_id if self.tenant and self.tenant.is_elsewhere else None

    @property
    def details(self) -> str:
        """What is known of the computer: "Linux, ZenML 0.98.0, from 192.0.2.1". Empty when nothing is."""
        version = f"ZenML {self.zenml_version}" if self.zenml_version else ""
        known = [self.system, version, f"from {self.ip}" if self.ip else ""]
        return ", ".join(part for part in known if part)


class ApiKeyQuerySet(models.QuerySet):
    def with_secret(self, secret: str):
        """Keys that this text opens now, by itself or as the one before the last rotation: none or one."""
        now, digest = timezone.now(), hash_token(secret)
        older = models.Q(previous_hash=digest, previous_valid_until__gt=now)
        return self.filter(models.Q(key_hash=digest) | older, lasting(), revoked_at=None)

    def ending_within(self, time: timedelta):
        """Keys that work and will end by then. Those made for no longer than that are not among them."""
        now = timezone.now()
        ends = {"expires_at__gt": now, "expires_at__lte": now + time}
        made_for_longer = models.Q(expires_at__gt=models.F("created_at") + time)
        return self.filter(made_for_longer, revoked_at=None, user__is_active=True, **ends)

    def shown(self):
        """As pages list them: newest first, the revoked ones last, with what stands beside each."""
        revoked_last = models.F("revoked_at").asc(nulls_first=True)
        return self.select_related("tenant", "organization", "created_by").order_by(
            revoked_last, "-created_at"
        )


class ApiKey(PlainNames, models.Model):
    """What a script signs in with, as a service account or as a person. Only hashes are stored.

    With `tenant` or `organization` it opens nothing else, whatever its account may do. A key that was rotated keeps its row: the secret before stays good until `previous_valid_until`.
    """

    START = "ZENPROKEY_"  # by which clients know that it has to be exchanged (protocol §3.3b)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_keys")
    label = models.CharField(max_length=60)
    tenant = models.ForeignKey(Tenant, null=True, on_delete=models.CASCADE, related_name="api_keys")
    organization = models.ForeignKey(
        Organization, null=True, on_delete=models.CASCADE, related_name="api_keys"
    )
    prefix = models.CharField(max_length=20, editable=False)
    key_hash = models.CharField(max_length=64, unique=True, editable=False)
    previous_hash = models.CharField(max_length=64, blank=True, db_index=True, editable=False)
    previous_valid_until = models.DateTimeField(null=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True)
    announced_at = models.DateTimeField(null=True, editable=False, help_text="When its end was announced.")
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(tenant=None) | models.Q(organization=None),
                name="api_key_opens_tenant_or_organization",
            )
        ]

    def __str__(self) -> str:
        return self.label

    def new_secret(self) -> str:
        """Make another secret the key's own and return it in clear, the only time it can be seen. Not saved."""
        secret = self.START + secrets.token_urlsafe(32)
        self.prefix, self.key_hash = secret[: len(self.START) + 6], hash_token(secret)
        return secret

    def opens(self, secret: str) -> bool:
        """Is this its present secret, not the one before?"""
        return self.key_hash == hash_token(secret)

    @property
    def state(self) -> str:
        """revoked, expired or active."""
        if self.revoked_at:
            return "revoked"
        return "expired" if self.expires_at and self.expires_at <= timezone.now() else "active"

    @property
    def is_active(self) -> bool:
        return self.state == "active"

    def opened(self, tenants):
        """Those of the query set of tenants that this key opens; its account must have a role there besides."""
        if self.organization_id:
            return tenants.filter(organization=self.organization_id)
        return tenants.filter(pk=self.tenant_id) if self.tenant_id else tenants

    def note_use(self) -> None:
        """Remember that it was used, at most once a minute."""
        now = timezone.now()
        if self.last_used_at is None or now - self.last_used_at > timedelta(minutes=1):
            ApiKey.objects.filter(pk=self.pk).update(last_used_at=now)

    @property
    def in_grace(self) -> bool:
        """Does the secret before the last rotation still work?"""
        return bool(self.previous_valid_until and self.previous_valid_until > timezone.now())


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
    api_key = models.ForeignKey(ApiKey, null=True, on_delete=models.CASCADE, related_name="tokens")
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

    def opened(self, tenants):
        """Those of the query set of tenants that the token, and the key it comes from, let in.

        A token that opens several tenants opens none whose server someone else runs: that server would get it.
        """
        if self.api_key:
            tenants = self.api_key.opened(tenants)
        return tenants.filter(pk=self.tenant_id) if self.tenant_id else tenants.hosted()

    def opens(self, tenant) -> bool:
        """Does the token, and the key it comes from, let into this tenant? As `opened` says of many."""
        bound = self.api_key.organization_id if self.api_key else None
        if bound not in (None, tenant.organization_id):
            return False
        return self.tenant_id == tenant.pk if self.tenant_id else not tenant.is_elsewhere

    def note_use(self) -> None:
        """Remember that it was used, at most once a minute; the key it comes from as well."""
        now = timezone.now()
        if self.last_used_at is None or now - self.last_used_at > timedelta(minutes=1):
            AccessToken.objects.filter(pk=self.pk).update(last_used_at=now)
            if self.api_key_id:
                ApiKey.objects.filter(pk=self.api_key_id).update(last_used_at=now)


class KeyEntryQuerySet(models.QuerySet):
    def note(self, key: ApiKey, tenant: Tenant) -> None:
        """A tenant's server is about to let someone in with a token of this key.

        While the secret before a rotation still works, it is not known which of the two it was: it ends with the old one.
        """
        ends_at = key.previous_valid_until if key.in_grace else None
        same, now = {"api_key": key, "tenant": tenant, "ends_at": ends_at}, timezone.now()
        if not self.filter(**same).update(entered_at=now, cut_at=None):
            self.create(**same, entered_at=now)

    def ended(self):
        """Entries whose key, or whose secret of it, works no more; with tenant and key."""
        now = timezone.now()
        over = models.Q(ends_at__lte=now) | models.Q(api_key__expires_at__lte=now)
        gone = self.filter(over | models.Q(api_key__revoked_at__isnull=False))
        return gone.select_related("tenant", "api_key")

    def end(self, account) -> None:
        """What the account opened with any of its keys ends now, though the keys may work on."""
        now = timezone.now()
        later = models.Q(ends_at=None) | models.Q(ends_at__gt=now)
        self.filter(later, api_key__user=account).update(ends_at=now)


class KeyEntry(models.Model):
    """A key's account was let into a tenant with it. What it got there (a session, API tokens of days) outlives the key
    until the agent ends it; after that the row is gone."""

    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="entries")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="key_entries")
    entered_at = models.DateTimeField()
    ends_at = models.DateTimeField(
        null=True, help_text="When the secret that it came with ends, once rotated."
    )
    cut_at = models.DateTimeField(null=True, help_text="When its account was signed out inside the tenant.")

    objects = KeyEntryQuerySet.as_manager()

    class Meta:
        ordering = ["-entered_at"]
        verbose_name_plural = "key entries"

    def __str__(self) -> str:
        return f"{self.api_key} in {self.tenant}"

    @property
    def user_id(self) -> uuid.UUID:
        """Whose account was let in."""
        return self.api_key.user_id


class DeviceEntryQuerySet(models.QuerySet):
    def note(self, device_id: uuid.UUID, tenant: Tenant) -> None:
        """A tenant's server is about to let a person in with this computer's token. One statement."""
        row = self.model(device_id=device_id, tenant=tenant, entered_at=timezone.now(), cut_at=None)
        keys, news = ["device", "tenant"], ["entered_at", "cut_at"]
        self.bulk_create([row], update_conflicts=True, unique_fields=keys, update_fields=news)

    def ended(self):
        """Entries of computers that were signed out; with tenant and computer.

        Not of those whose time was over: that is so every day, and would end the person's schedules and long runs.
        """
        gone = self.filter(device__state=DeviceLogin.State.SIGNED_OUT)
        return gone.select_related("tenant", "device")


class DeviceEntry(models.Model):
    """A person was let into a tenant with the token of a computer. What it got there ends when the computer is signed
    out; after that the row is gone."""

    device = models.ForeignKey(DeviceLogin, on_delete=models.CASCADE, related_name="entries")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="device_entries")
    entered_at = models.DateTimeField()
    cut_at = models.DateTimeField(null=True, help_text="When its account was signed out inside the tenant.")

    objects = DeviceEntryQuerySet.as_manager()

    class Meta:
        ordering = ["-entered_at"]
        verbose_name_plural = "device entries"
        constraints = [models.UniqueConstraint(fields=["device", "tenant"], name="device_entry_once")]

    def __str__(self) -> str:
        return f"{self.device} in {self.tenant}"

    @property
    def user_id(self) -> uuid.UUID:
        """Whose account was let in."""
        return self.device.user_id
