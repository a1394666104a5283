import hashlib
import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.text import slugify

from zenpro_site.common.mailboxes import normal
from zenpro_site.common.names import PlainNames

ACTIVE_STEP = timedelta(minutes=5)


@dataclass(frozen=True)
class Origin:
    """Where an acting person comes from: kept beside every audit row."""

    via: str = "command"
    ip: str | None = None
    request_id: str = ""


class UserManager(BaseUserManager):
    def create_user(self, email: str, password: str | None = None, **fields) -> "User":
        """Create a person. `email` gets its normal form; without `username` one is made from the address."""
        email = normal(email)
        if "username" not in fields:
            fields["username"] = self.free_username(email.partition("@")[0])
        user = self.model(email=email, **fields)
        user.set_password(password)
        user.full_clean(exclude=["password"])
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields) -> "User":
        """Create a person who may do everything everywhere."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, email: str) -> "User":
        return self.get(email__iexact=normal(email))

    def free_username(self, wish: str) -> str:
        """A username no one has or ever had. Rows are never deleted, so the table is the memory."""
        stem = slugify(wish) or "user"
        taken = set(self.filter(username__startswith=stem).values_list("username", flat=True))
        number, name = 1, stem
        while name in taken:
            number += 1
            name = f"{stem}-{number}"
        return name

    def saw(self, user: "User") -> None:
        """Note that the person is active, at most once in five minutes. No query while that is fresh."""
        now = timezone.now()
        if user.last_active_at and user.last_active_at > now - ACTIVE_STEP:
            return
        is_old = models.Q(last_active_at=None) | models.Q(last_active_at__lte=now - ACTIVE_STEP)
        self.filter(is_old, pk=user.pk).update(last_active_at=now)
        user.last_active_at = now


class User(PlainNames, AbstractBaseUser, PermissionsMixin):
    """A person or a service account.

    Tenants match accounts by username (protocol §13.2): it is unique, cannot be
    changed and is never given to anyone else, so a user is deactivated, not deleted.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField("e-mail", unique=True)
    username = models.CharField(
        max_length=150,
        unique=True,
        editable=False,
        validators=[RegexValidator(r"^[a-z0-9][a-z0-9_.-]*$", "Lower-case letters, digits, dot, dash.")],
    )
    name = models.CharField(max_length=150, blank=True)
    is_active = models.BooleanField("active", default=True)
    is_staff = models.BooleanField("may open Django admin", default=False)
    is_service_account = models.BooleanField("service account", default=False)
    date_joined = models.DateTimeField(default=timezone.now, editable=False)
    last_active_at = models.DateTimeField(null=True, blank=True, editable=False)
    sign_outs = models.PositiveIntegerField(default=0, editable=False)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = []

    class Meta:
        ordering = ["name", "email"]
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_ci_unique")]
        indexes = [
            models.Index(fields=["name", "email"], name="user_by_name"),
            models.Index(
                fields=["id"], condition=models.Q(is_service_account=True), name="user_service_accounts"
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.email

    def save(self, *, update_fields=None, **kwargs):
        if update_fields is None or "email" in update_fields:
            self.email = normal(self.email)
        super().save(update_fields=update_fields, **kwargs)

    def delete(self, **kwargs):
        raise models.ProtectedError("Users are deactivated, never deleted: usernames stay theirs.", {self})

    def _get_session_auth_hash(self, secret=None) -> str:
        """Every session carries it and ends when it changes: with a new password, and when `sign_outs` grows."""
        if not self.sign_outs:
            return super()._get_session_auth_hash(secret)
        value = f"{self.password}:{self.sign_outs}"
        return salted_hmac("orgs.users.sessions", value, secret=secret, algorithm="sha256").hexdigest()

    def get_full_name(self) -> str:
        return str(self)

    @property
    def initials(self) -> str:
        words = (self.name or self.email.partition("@")[0]).replace(".", " ").replace("-", " ").split()
        return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper() or "?"

    @property
    def hue(self) -> int:
        """0-7, the same for a person everywhere: the colour class of the avatar."""
        return hashlib.sha256(self.pk.bytes).digest()[0] % 8


@dataclass(frozen=True)
class Actor:
    """Who does something, and from where: what actions and audit rows take as `by`. None there is ZenPro itself."""

    person: User
    origin: Origin = Origin()
