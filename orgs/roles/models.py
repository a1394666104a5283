import hashlib
import uuid

from django.db import models
from django.urls import reverse
from django.utils.text import slugify

from orgs.models import Organization
from orgs.roles.predefined_permissions import ORG_ROLES, TENANT_ROLES
from zenpro_site.common.names import PlainNames


def _predefined():
    """(level, slug, fields, rights) of each, strongest first within a level."""
    for level, roles in ((Role.Level.ORGANIZATION, ORG_ROLES), (Role.Level.TENANT, TENANT_ROLES)):
        for rank, (slug, (name, description, rights)) in enumerate(roles.items()):
            yield level, slug, {"name": name, "description": description, "rank": rank}, rights


class RoleQuerySet(models.QuerySet):
    def seed(self, organization: Organization) -> None:
        """Create the organization's predefined roles with their rights, or bring them up to date.

        A handful of statements however many rights there are: every new organization waits for it.
        """
        found = self.filter(organization=organization, predefined=True)
        stored = {(role.level, role.slug): role for role in found}
        roles, rights = [], {}
        for level, slug, facts, wanted in _predefined():
            role = stored.get((level, slug)) or Role(organization=organization, level=level, slug=slug)
            role.predefined = True
            for name, value in facts.items():
                setattr(role, name, value)
            roles.append(role)
            rights[role.pk] = wanted
        self.bulk_create(role for role in roles if role._state.adding)
        self.bulk_update([role for role in roles if role in stored.values()], ["name", "description", "rank"])
        RolePermission.objects.make_equal(rights, fresh=not stored)

    def tenant_level(self):
        """Roles that can be given on a tenant, strongest first."""
        return self.filter(level=Role.Level.TENANT)

    def organization_level(self):
        """Roles that a member or a team can hold in the organization, strongest first."""
        return self.filter(level=Role.Level.ORGANIZATION)

    def within(self, rights) -> list["Role"]:
        """Roles of members and teams that allow nothing beyond these rights, strongest first. Two queries."""
        found = self.organization_level().prefetch_related("permissions")
        return [role for role in found if role.rights <= rights]

    def free_slug(self, level: str, name: str) -> str:
        """A slug made of `name` that no role of this level has among these."""
        stem = slugify(name)[:50].strip("-") or "role"
        taken = set(self.filter(level=level, slug__startswith=stem).values_list("slug", flat=True))
        number, slug = 1, stem
        while slug in taken:
            number += 1
            slug = f"{stem}-{number}"
        return slug


class Role(PlainNames, models.Model):
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
        """Rights of the role it is built on, which can't be removed."""
        return self.base.rights if self.base else frozenset()

    @property
    def version(self) -> str:
        """Changes with the rights: saving a grid says which state of it was seen."""
        return hashlib.sha256(" ".join(sorted(self.rights)).encode()).hexdigest()[:16]

    def set_rights(self, rights) -> None:
        """Make the stored rows equal to `rights`, touching only what differs."""
        RolePermission.objects.make_equal({self.pk: rights})


class RolePermissionQuerySet(models.QuerySet):
    def by_role(self, roles) -> dict:
        """Role id -> its rights, for these ids. One query."""
        rights = {role: set() for role in roles}
        rows = self.filter(role__in=rights).order_by().values_list("role_id", "resource", "action")
        for role, resource, action in rows:
            rights[role].add(f"{resource}:{action}")
        return {role: frozenset(given) for role, given in rights.items()}

    def make_equal(self, roles: dict, *, fresh: bool = False) -> None:
        """Make the stored rights of these roles ({role id: rights}) equal to the given ones, touching what differs.

        `fresh`: none of them has any yet.
        """
        stored = {}
        if not fresh:
            rows = self.filter(role__in=roles).values_list("pk", "role", "resource", "action")
            stored = {(role, f"{resource}:{action}"): pk for pk, role, resource, action in rows}
        wanted = {(role, right) for role, rights in roles.items() for right in rights}
        surplus = [number for key, number in stored.items() if key not in wanted]
        if surplus:
            self.filter(pk__in=surplus).delete()
        new = ((role, *right.split(":")) for role, right in sorted(wanted - stored.keys()))
        self.bulk_create(
            RolePermission(role_id=role, resource=resource, action=action) for role, resource, action in new
        )


class RolePermission(models.Model):
    """One right of a role: the row every decision joins to."""

    role = models.ForeignKey(Role, on_delete=models.CASCADE, related_name="permissions")
    resource = models.CharField(max_length=40)
    action = models.CharField(max_length=40)

    objects = RolePermissionQuerySet.as_manager()

    class Meta:
        ordering = ["resource", "action"]
        constraints = [
            models.UniqueConstraint(fields=["role", "resource", "action"], name="role_permission_once")
        ]

    def __str__(self) -> str:
        return f"{self.resource}:{self.action}"
