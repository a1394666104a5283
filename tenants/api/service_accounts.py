from datetime import datetime
from uuid import UUID

from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema
from pydantic import Field

from orgs.models import Membership
from orgs.permissions import Permission
from tenants.credentials import keys
from tenants.credentials.forms import KeyForm, ServiceAccountForm

from .callers import needs, tenants_of
from .problems import checked
from .shapes import Body, Moment, Page, Slice, Text, page_of
from .tokens import KeyMade, KeyOut, Rotation, rotated, shown, words_of

router = Router(tags=["Service accounts"])
ACCOUNTS = "/organizations/{organization}/service-accounts"
ACCOUNT = ACCOUNTS + "/{account}"
KEYS = ACCOUNT + "/keys"
MANAGE = Permission.MEMBER_MANAGE


class AccountOut(Schema):
    id: UUID = Field(description="Id of its membership: assign it roles and teams like any member.")
    user: UUID
    name: str
    username: str
    role: str = Field(description="Slug of its organization role.")
    is_active: bool
    created: datetime


class AccountNew(Body):
    name: Text = Field(description="What it is for.", examples=["nightly-training"])


class KeyNew(Body):
    name: Text = Field(description="Where it is used.", examples=["github-actions"])
    tenant: UUID | None = Field(None, description="Limit the key to this tenant.")
    expires: Moment | None = Field(None, description="Never if left out.")


def shown_account(account: Membership) -> dict:
    user = account.user
    about = {"id": account.pk, "user": user.pk, "role": account.role, "created": account.created_at}
    return about | {name: getattr(user, name) for name in ("name", "username", "is_active")}


def _account(request, pk: UUID) -> Membership:
    return get_object_or_404(keys.accounts_of(request.org), pk=pk)


def _key(account: Membership, pk: UUID):
    return get_object_or_404(account.user.api_keys.select_related("tenant", "organization", "user"), pk=pk)


@router.get(ACCOUNTS, auth=needs(MANAGE), response=Page[AccountOut])
def service_account_list(request, organization: str, part: Query[Slice]):
    return page_of(keys.accounts_of(request.org), part, shown_account)


@router.post(ACCOUNTS, auth=needs(MANAGE), response={201: AccountOut})
def service_account_create(request, organization: str, body: AccountNew):
    """Create an account for scripts, with the Member role."""
    values = checked(ServiceAccountForm(body.dict()))
    made = keys.create_service_account(organization=request.org, by=request.actor, **values)
    return shown_account(made)


@router.get(ACCOUNT, auth=needs(MANAGE), response=AccountOut)
def service_account_get(request, organization: str, account: UUID):
    return shown_account(_account(request, account))


@router.post(ACCOUNT + "/deactivate", auth=needs(MANAGE), response=AccountOut)
def service_account_deactivate(request, organization: str, account: UUID):
    """Its keys stop working at the next request."""
    found = _account(request, account)
    keys.deactivate(account=found, by=request.actor)
    return shown_account(found)


@router.post(ACCOUNT + "/activate", auth=needs(MANAGE), response=AccountOut)
def service_account_activate(request, organization: str, account: UUID):
    """Its keys that are neither expired nor revoked work again."""
    found = _account(request, account)
    keys.activate(account=found, by=request.actor)
    return shown_account(found)


@router.get(KEYS, auth=needs(MANAGE), response=Page[KeyOut])
def service_account_key_list(request, organization: str, account: UUID, part: Query[Slice]):
    return page_of(_account(request, account).user.api_keys.shown(), part, shown)


@router.post(KEYS, auth=needs(MANAGE), response={201: KeyMade})
def service_account_key_create(request, organization: str, account: UUID, body: KeyNew):
    found = _account(request, account)
    data = {"label": body.name, "tenant": str(body.tenant or ""), "days": ""}
    words = words_of(KeyForm(data, tenants=tenants_of(request)), body)
    key, secret = keys.create_key(user=found.user, account=found, by=request.actor, **words)
    return {**shown(key), "secret": secret}


@router.post(KEYS + "/{key}/rotate", auth=needs(MANAGE), response=KeyMade)
def service_account_key_rotate(request, organization: str, account: UUID, key: UUID, body: Rotation):
    """Create another secret for the same key; the previous one keeps working for the grace period."""
    found = _account(request, account)
    return rotated(_key(found, key), body, by=request.actor, account=found)


@router.delete(KEYS + "/{key}", auth=needs(MANAGE), response={204: None})
def service_account_key_revoke(request, organization: str, account: UUID, key: UUID):
    """Revoke a key, and what it gave access to, immediately."""
    found = _account(request, account)
    keys.revoke_key(key=_key(found, key), account=found, by=request.actor)
