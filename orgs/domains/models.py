from django.conf import settings
from django.core.validators import DomainNameValidator
from django.db import models
from django.db.models.functions import Lower

from orgs.models import Organization, OrgRole
from zenpro_site.common.mailboxes import ascii_domain, normal

# Where anyone can get an address: adding one of these lets in everyone.
PUBLIC = frozenset(
    [
        "126.com",
        "163.com",
        "aol.com",
        "btinternet.com",
        "duck.com",
        "fastmail.com",
        "free.fr",
        "freenet.de",
        "gmail.com",
        "gmx.com",
        "gmx.de",
        "gmx.net",
        "googlemail.com",
        "hey.com",
        "hotmail.com",
        "icloud.com",
        "laposte.net",
        "libero.it",
        "live.com",
        "mac.com",
        "mail.com",
        "mail.ru",
        "mailbox.org",
        "me.com",
        "msn.com",
        "naver.com",
        "orange.fr",
        "outlook.com",
        "posteo.de",
        "proton.me",
        "protonmail.com",
        "qq.com",
        "rediffmail.com",
        "t-online.de",
        "tutanota.com",
        "wanadoo.fr",
        "web.de",
        "yahoo.com",
        "yandex.com",
        "yandex.ru",
        "ymail.com",
        "zoho.com",
    ]
)


def domain_of(address: str) -> str:
    """The part behind the @, lowered; internationalized names in their ASCII form, "" when there is none."""
    _, at, domain = normal(address).rpartition("@")
    return domain if at else ""


def to_ascii(domain: str) -> str:
    """The form in which domains are stored and compared. Raises nothing: what has no such form is left as it is."""
    return ascii_domain(domain)


class OrganizationDomain(models.Model):
    """People who have proved an address of this domain become members when they sign in. Set by superusers."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="domains")
    domain = models.CharField(max_length=253, validators=[DomainNameValidator(accept_idna=False)])
    role = models.CharField(max_length=60, default=OrgRole.MEMBER)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["domain"]
        constraints = [
            models.UniqueConstraint(
                Lower("domain"),
                name="organization_domain_once",
                violation_error_message="This domain belongs to an organization already.",
            )
        ]

    def __str__(self) -> str:
        return self.domain

    @property
    def is_public(self) -> bool:
        return self.domain in PUBLIC


class Departure(models.Model):
    """A person whose membership ended. No domain makes them a member again; an invitation or a superuser does."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="departures")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="departures")
    at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-at"]
        constraints = [models.UniqueConstraint(fields=["organization", "user"], name="departure_once")]

    def __str__(self) -> str:
        return f"{self.user} from {self.organization}"
