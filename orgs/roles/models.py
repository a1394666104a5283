import hashlib
import uuid

from django.db import models
from django.urls import reverse
from django.utils.text import slugify

from orgs.models import Organization

from .permissions import ORG_ROLES, TENANT_ROLES


class RoleQuerySet(models.QuerySet):
    def seed(self, organization: Organization) -> None:
        """Create the organization's predefined roles with their rights, or bring them up to date."""
        for level, roles in ((Role.Level.ORGANIZATION, ORG_ROLES), (Role.Level.TENANT, TENANT_ROLES)):
            for rank, (slug, (name, description, rights)) in enumerate(roles.items()):
                role, _ = self.update_or_create(
                    organization=organization,
                    level=level,
                    slug=slug,
                    defaults={"name": name, "description": description, "predefined": True, "rank": rank},
                )
                role.set_rights(rights)

    def tenant_level(self):
        """Roles that can be given on a tenant, strongest first."""
        return self.filter(level=Role.Level.TENANT)

    def organization_level(self):
        """Roles that a member or a team can hold in the organization, strongest first."""
        return self.filter(level=Role.Level.ORGANIZATION)

    def free_slug(self, level: str, name: str) -> str:
        """A slug made of `name` that no role of this level has among these."""
        stem = slugify(name)[:50].strip("-") or "role"
        taken = set(self.filter(level=level, slug__startswith=stem).values_list("slug", flat=True))
        number, slug = 1, stem
        while slug in taken:
            number += 1
            slug = f"{stem}-{number}"
        return slug


class Role(models.Model):
    class Level(models.TextChoices):
        ORGANIZATION = "organization", "Organization"
        TENANT = "tenant", "Tenant"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="roles")
    level = models.CharField(max_length=12, choices=Level)
    slug = models.SlugField(max_length=60)
    name = models.CharField(max_length=60)
    description = models.CharField(max_length=300, blank=True)
    base = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="derived")
    predefined = models.BooleanField(default=False, editable=False)
    rank = models.PositiveSmallIntegerField(default=50, help_text="0 is the strongest.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = RoleQuerySet.as_manager()

    class Meta:
        ordering = ["level", "rank", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "level", "slug"], name="role_slug_once_per_level"
            ),
            models.UniqueConstraint(
                fields=["organization", "level", "name"], name="role_name_once_per_level"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("roles:detail", args=[self.organization.slug, self.pk])

    @property
    def rights(self) -> frozenset[str]:
        """All `resource:action` of the role."""
        return frozenset(f"{row.resource}:{row.action}" for row in self.permissions.all())

    @property
    def inherited(self) -> frozenset[str]:
        """Rights of the role it is built on, which it cannot be without."""
        return self.base.rights if self.base else frozenset()

    @property
    def version(self) -> str:
        """Changes with the rights: who saves a grid says which state of it she has seen."""
        return hashlib.sha256(" ".join(sorted(self.rights)).encode()).hexdigest()[:16]

    def set_rights(self, rights) -> None:
        """Make the stored rows equal to `rights`, touching only what differs."""
        rows = {f"{row.resource}:{row.action}": row.pk for row in self.permissions.all()}
        wanted, stored = set(rights), set(rows)
        self.permissions.filter(pk__in=[rows[right] for right in stored - wanted]).delete()
        new = (right.partition(":") for right in sorted(wanted - stored))
        RolePermission.objects.bulk_create(
            RolePermission(role=self, resource=resource, action=action) for resource, _, action in new
        )


class RolePermission(models.Model):
    """One right of a role: the row every decision joins to."""

    role = models.ForeignKey(Role, on_delete=models.CASCADE, related_name="permissions")
    resource = models.CharField(max_length=40)
    action = models.CharField(max_length=40)

    class Meta:
        ordering = ["resource", "action"]
        constraints = [
            models.UniqueConstraint(fields=["role", "resource", "action"], name="role_permission_once")
        ]

    def __str__(self) -> str:
        return f"{self.resource}:{self.action}"
