from typing import Literal
from uuid import UUID

from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema
from pydantic import Field

from orgs.permissions import Permission
from orgs.roles import actions
from orgs.roles.forms import RoleDeleteForm, RoleForm
from orgs.roles.models import Role
from orgs.roles.predefined_permissions import rights_that_exist

from .callers import needs
from .problems import Invalid, checked, fault
from .shapes import Body, Page, Slice, Text, page_of

router = Router(tags=["Roles"])
ROLES = "/organizations/{organization}/roles"
ROLE = ROLES + "/{role}"
Level = Literal["organization", "tenant"]


class RoleOut(Schema):
    id: UUID
    slug: str = Field(description="Other calls name roles by their slug.")
    level: Level
    name: str
    description: str
    predefined: bool
    base: UUID | None = Field(description="The predefined role whose rights it always includes.")


class RoleDetail(RoleOut):
    rights: list[str] = Field(description="`resource:action`.", examples=[["model:read", "model:update"]])
    version: str = Field(description="Version of the rights: send it back when you change them.")


class RoleFilters(Slice):
    level: Level | None = None


class RoleNew(Body):
    level: Level
    name: Text = Field(examples=["Reviewer"])
    description: Text = ""
    base: UUID | None = Field(None, description="A predefined role of the same level to build on.")
    rights: list[Text] = Field(
        [], description="Rights besides those of the base; the rights they need are added.", max_length=1000
    )


class RoleChange(Body):
    """What is left out stays as it is."""

    name: Text | None = None
    description: Text | None = None


class RightsChange(Body):
    rights: list[Text] = Field(description="All rights the role should have.", max_length=1000)
    version: Text = Field(description="Of the role as you read it; 409 if someone has changed it since.")


def shown(role: Role) -> dict:
    fields = {
        name: getattr(role, name) for name in ("id", "slug", "level", "name", "description", "predefined")
    }
    return {**fields, "base": role.base_id}


def _detail(role: Role) -> dict:
    return {**shown(role), "rights": sorted(role.rights), "version": role.version}


def _role(request, pk: UUID) -> Role:
    roles = request.org.roles.select_related("organization", "base").prefetch_related("permissions")
    return get_object_or_404(roles, pk=pk)


def _known(level: str, rights: list[str]) -> list[str]:
    exist = rights_that_exist(level)
    wrong = [
        fault("There is no such right.", "rights", place)
        for place, right in enumerate(rights)
        if right not in exist
    ]
    if wrong:
        raise Invalid(wrong)
    return rights


@router.get(ROLES, auth=needs(Permission.ROLE_VIEW), response=Page[RoleOut])
def role_list(request, organization: str, asked: Query[RoleFilters]):
    """Roles of both levels, strongest first."""
    roles = request.org.roles.order_by("level", "rank", "name", "pk")
    return page_of(roles.filter(level=asked.level) if asked.level else roles, asked, shown)


@router.post(ROLES, auth=needs(Permission.ROLE_MANAGE), response={201: RoleDetail})
def role_create(request, organization: str, body: RoleNew):
    """Create a custom role."""
    base = request.org.roles.filter(pk=body.base).first() if body.base else None
    if body.base and not base:
        raise Invalid([fault("This organization has no such role.", "base")])
    form = RoleForm(body.dict(), instance=Role(organization=request.org, level=body.level))
    about = checked(form) | {"base": base, "rights": _known(body.level, body.rights)}
    role = actions.create_role(organization=request.org, level=body.level, by=request.actor, **about)
    return _detail(role)


@router.get(ROLE, auth=needs(Permission.ROLE_VIEW), response=RoleDetail)
def role_get(request, organization: str, role: UUID):
    """One role with all its rights."""
    return _detail(_role(request, role))


@router.patch(ROLE, auth=needs(Permission.ROLE_MANAGE), response=RoleDetail)
def role_update(request, organization: str, role: UUID, body: RoleChange):
    """Change name and description."""
    found = _role(request, role)
    now = {"name": found.name, "description": found.description}
    values = checked(RoleForm(now | body.dict(exclude_none=True), instance=found))
    actions.update_role(role=found, by=request.actor, **values)
    return _detail(_role(request, role))


@router.put(ROLE + "/rights", auth=needs(Permission.ROLE_MANAGE), response=RoleDetail)
def role_change_rights(request, organization: str, role: UUID, body: RightsChange):
    """Set all rights of a role; everyone who has it gets them immediately, inside tenants too."""
    found = _role(request, role)
    rights = _known(found.level, body.rights)
    actions.change_rights(role=found, rights=rights, version=body.version, by=request.actor)
    return _detail(_role(request, role))


@router.delete(ROLE, auth=needs(Permission.ROLE_MANAGE), response={204: None})
def role_delete(request, organization: str, role: UUID, replacement: UUID | None = None):
    """Delete a role; everyone who has it gets `replacement`, which is required for a role in use."""
    found = _role(request, role)
    form = RoleDeleteForm({"replacement": replacement}, role=found, needed=False)
    chosen = checked(form)["replacement"]
    actions.delete_role(role=found, by=request.actor, replacement=chosen)
