"""A person's own keys, and who they are."""

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from django.db.models import Q
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from tenants.credentials import devices, keys
from tenants.credentials.forms import KeyForm, RotateForm
from tenants.credentials.models import ApiKey

from .callers import Anyone, needs
from .members import User
from .problems import Invalid, checked, fault
from .shapes import Body, Moment, Page, Reference, Slice, Text, page_of, reference

router = Router(tags=["Tokens"])


class KeyOut(Schema):
    id: UUID
    name: str
    prefix: str = Field(description="The beginning of the key. The rest is not stored.")
    tenant: Reference | None = Field(description="The only tenant it gives access to.")
    organization: Reference | None = Field(description="The only organization it gives access to.")
    state: Literal["active", "expired", "revoked"]
    created: datetime
    expires: datetime | None
    last_used: datetime | None


class KeyMade(KeyOut):
    secret: str = Field(description="The key itself, shown only once.")


class TokenNew(Body):
    name: Text = Field(description="Where it is used.", examples=["laptop"])
    tenant: UUID | None = Field(None, description="Limit the key to this tenant.")
    organization: UUID | None = Field(None, description="Limit the key to this organization.")
    expires: Moment | None = Field(None, description="Never if left out.")


class Rotation(Body):
    grace: Literal[0, 60, 1440, 10080] = Field(
        1440, description="How many minutes the old key keeps working."
    )


def shown(key: ApiKey) -> dict:
    return {
        **{name: getattr(key, name) for name in ("id", "prefix", "state")},
        "name": key.label,
        "tenant": reference(key.tenant),
        "organization": reference(key.organization),
        "created": key.created_at,
        "expires": key.expires_at,
        "last_used": key.last_used_at,
    }


def words_of(form: KeyForm, body) -> dict:
    """Arguments of keys.create_key that the page's form makes of a body."""
    if body.expires and body.expires <= timezone.now():
        raise Invalid([fault("This is in the past.", "expires")])
    checked(form, label="name", tenant="organization" if getattr(body, "organization", None) else "tenant")
    return {**form.words, "expires_at": body.expires}


def rotated(key: ApiKey, body: Rotation, **how) -> dict:
    grace = checked(RotateForm({"grace": str(body.grace)}))["grace"]
    secret = keys.rotate_key(key=key, grace=grace or timedelta(), **how)
    key.refresh_from_db()
    return {**shown(key), "secret": secret}


def _own(request):
    """The caller's own keys; called with a bound key, only those bound alike."""
    mine, key = request.user.api_keys.shown(), request.key
    if key and key.tenant_id:
        return mine.filter(tenant=key.tenant_id)
    if key and key.organization_id:
        inside = Q(organization=key.organization_id) | Q(tenant__organization=key.organization_id)
        return mine.filter(inside)
    return mine


@router.get("/me", auth=needs(Anyone.SIGNED_IN), response=User)
def me(request):
    """The account this key belongs to."""
    return {name: getattr(request.user, name) for name in User.model_fields}


@router.get("/tokens", auth=needs(Anyone.SIGNED_IN), response=Page[KeyOut])
def token_list(request, part: Query[Slice]):
    """Your own keys, newest first, revoked ones last."""
    return page_of(_own(request), part, shown)


@router.post("/tokens", auth=needs(Anyone.SIGNED_IN), response={201: KeyMade})
def token_create(request, body: TokenNew):
    """Create a key of your own. Called with a key, the new one can't open more or work longer than that key."""
    if body.tenant and body.organization:
        raise Invalid([fault("Choose a tenant or an organization, or neither.", "organization")])
    data = {"label": body.name, "tenant": str(body.tenant or body.organization or ""), "days": ""}
    theirs = devices.tenants_of(request.user, member_only=True)
    form = KeyForm(data, tenants=theirs, organizations=devices.organizations_of(request.user))
    words = words_of(form, body)
    key, secret = keys.create_key(user=request.user, by=request.actor, through=request.key, **words)
    return {**shown(key), "secret": secret}


@router.post("/tokens/{token}/rotate", auth=needs(Anyone.SIGNED_IN), response=KeyMade)
def token_rotate(request, token: UUID, body: Rotation):
    """Create another secret for the same key; the previous one keeps working for the grace period."""
    return rotated(get_object_or_404(_own(request), pk=token), body, by=request.actor, through=request.key)


@router.delete("/tokens/{token}", auth=needs(Anyone.SIGNED_IN), response={204: None})
def token_revoke(request, token: UUID):
    """Revoke a key, and what it gave access to, immediately."""
    keys.revoke_key(key=get_object_or_404(_own(request), pk=token), by=request.actor)
