import hashlib
import math
import secrets
import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils import timezone

from orgs.mails.models import Mail
from orgs.models import Organization, OrgRole
from orgs.teams.models import Team

LIFETIME = timedelta(days=7)
COOLDOWN = timedelta(seconds=60)
LATELY = timedelta(seconds=20)


def hash_token(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def expiry():
    return timezone.now() + LIFETIME


class InvitationQuerySet(models.QuerySet):
    def open(self):
        """Neither accepted nor revoked; expired ones included, they can be sent again. With their mails."""
        return self.filter(accepted_at=None, revoked_at=None).select_related("mail")

    def by_token(self, token: str):
        """Open, unexpired invitations with this token: none or one."""
        return self.open().filter(token_hash=hash_token(token), expires_at__gt=timezone.now())


class Invitation(models.Model):
    """Bound to one address, good for one use. Only the SHA-256 of its token is stored.

    `mail`: the row of the outbox that carries the link; None when no mail server was set up.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField("e-mail")
    role = models.CharField(max_length=60, default=OrgRole.MEMBER)
    teams = models.ManyToManyField(Team, blank=True, related_name="invitations")
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="invitations_sent"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(default=expiry)
    mail = models.OneToOneField(
        Mail, null=True, blank=True, on_delete=models.SET_NULL, related_name="invitation"
    )
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="invitations_accepted",
    )
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-sent_at"]
        constraints = [
            models.UniqueConstraint(
                "organization",
                Lower("email"),
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="invitation_open_once_per_address",
            ),
            models.CheckConstraint(
                condition=models.Q(accepted_at=None) | models.Q(revoked_at=None),
                name="invitation_accepted_or_revoked",
            ),
        ]

    def __str__(self) -> str:
        return self.email

    def get_absolute_url(self) -> str:
        return reverse("invitations:list", args=[self.organization.slug])

    @property
    def expired(self) -> bool:
        return self.expires_at <= timezone.now()

    @property
    def state(self) -> str:
        """invited, accepted, revoked, expired or delivery_failed."""
        if self.accepted_at or self.revoked_at:
            return "accepted" if self.accepted_at else "revoked"
        if self.expired:
            return "expired"
        return "delivery_failed" if self.delivery == Mail.State.FAILED else "invited"

    @property
    def delivery(self) -> str:
        """none, queued, sent, failed or cancelled."""
        return self.mail.state if self.mail else "none"

    @property
    def delivery_error(self) -> str:
        return self.mail.error if self.mail else ""

    @property
    def wait(self) -> int:
        """Seconds until another link can be made; 0 when it can be."""
        return max(0, math.ceil((self.sent_at + COOLDOWN - timezone.now()).total_seconds()))

    @property
    def moves(self) -> bool:
        """Does what a page shows of it change by itself, or has it just now?"""
        settled = self.mail.settled_at if self.mail else None
        changed = max(self.sent_at + COOLDOWN, settled or self.sent_at)
        return self.delivery == Mail.State.QUEUED or changed + LATELY > timezone.now()

    @classmethod
    def claim(cls, token: str) -> "Invitation | None":
        """Use up the token. One conditional UPDATE: of many at once exactly one finds the row open."""
        if not cls.objects.by_token(token).update(accepted_at=timezone.now()):
            return None
        return cls.objects.select_related("organization", "invited_by").get(token_hash=hash_token(token))

    def renew_token(self) -> str:
        """Give the invitation a new token of 256 random bits, valid for 7 days; the old one is dead. Not saved."""
        token = secrets.token_urlsafe(32)
        self.token_hash = hash_token(token)
        self.sent_at, self.expires_at = timezone.now(), expiry()
        return token
