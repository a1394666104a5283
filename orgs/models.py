import uuid

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.urls import reverse
from django.utils.text import slugify

from zenpro_site.common.names import PlainNames

RESERVED_SLUGS = {"new", "api", "admin", "accounts", "invite", "static", "o", "t"}
slug_validator = RegexValidator(
    r"^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$",
    "Use lower-case letters, digits and dashes; begin and end with a letter or digit.",
)


class OrganizationQuerySet(models.QuerySet):
    def of(self, user):
        """Organizations the user belongs to; all of them for a superuser. Query set, any order."""
        if user.is_superuser:
            return self.all()
        return self.filter(memberships__user=user)

    def free_slug(self, name: str) -> str:
        """A slug made of `name` that no organization has."""
        stem = slugify(name)[:40].strip("-") or "organization"
        taken = set(self.filter(slug__startswith=stem).values_list("slug", flat=True)) | RESERVED_SLUGS
        number, slug = 1, stem
        while slug in taken:
            number += 1
            slug = f"{stem}-{number}"
        return slug


class Organization(PlainNames, models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=80)
    slug = models.SlugField(max_length=50, unique=True, validators=[slug_validator])
    description = models.CharField(max_length=300, blank=True)
    requires_two_factor = models.BooleanField(default=False)
    allows_package_builds = models.BooleanField(
        default=False,
        help_text="Packages without a wheel are built from source, which runs code of their authors.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = OrganizationQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("orgs:home", args=[self.slug])

    def locked(self) -> "Organization":
        """The row as it is now, held until the end of the transaction: changes of who is Admin happen one by one."""
        return Organization.objects.select_for_update().get(pk=self.pk)


class OrgRole(models.TextChoices):
    """Slugs of the predefined organization roles; a custom role has a slug of its own."""

    ADMIN = "admin", "Admin"
    EDITOR = "editor", "Editor"
    VIEWER = "viewer", "Viewer"
    MEMBER = "member", "Member"


class MembershipQuerySet(models.QuerySet):
    def active_admins(self):
        """Memberships that hold Admin directly and whose person can sign in."""
        return self.filter(role=OrgRole.ADMIN, user__is_active=True, user__is_service_account=False)


class Membership(models.Model):
    """A person in an organization. `role` is the slug of one of the organization's organization-level roles."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=60, default=OrgRole.MEMBER)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        ordering = ["user__name", "user__email"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "user"], name="membership_once_per_organization")
        ]
        indexes = [
            models.Index(fields=["user", "organization"], name="membership_user_org"),
            models.Index(fields=["organization", "role"], name="membership_org_role"),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.organization}"

    def get_absolute_url(self) -> str:
        return reverse("orgs:member_detail", args=[self.organization.slug, self.pk])
