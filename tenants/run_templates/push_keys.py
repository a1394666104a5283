"""Keys that push code from a terminal: each for one run or template, for minutes, and for nothing else.

The text of a key is its row's id, signed with what ends its person's sessions: it is stored nowhere, and signing out
everywhere, or a new password, ends it.
"""

from datetime import timedelta
from uuid import UUID

from django.core.signing import BadSignature, Signer
from django.db import transaction
from django.utils import timezone

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.models import Tenant

from .models import CodeVersion, PushKey, RunTemplate

LIFETIME = timedelta(minutes=30)
LONGEST_REFUSAL = 500
KEPT = timedelta(days=1)  # for the page of whoever made it


@transaction.atomic
def make_push_key(
    *,
    tenant: Tenant,
    pipeline: str,
    run_id: UUID | None,
    template: RunTemplate | None,
    again: str = "",
    by: Actor,
) -> PushKey:
    """A key for code of a run or, where it is given, of a template. Leaves an audit row.

    `again`: the door of the run that asked for the code, "run" or "change"; what comes leads back to it.
    """
    PushKey.objects.filter(person=by.person, made_at__lt=timezone.now() - KEPT).delete()
    facts = {"run_id": run_id, "template": template, "again": again}
    key = PushKey.objects.create(tenant=tenant, person=by.person, **facts)
    after = {"pipeline": pipeline, "until": expiry_of(key).isoformat(timespec="minutes")}
    AuditEvent.objects.record(
        "code.push_allowed", tenant, by=by, organization=tenant.organization, after=after
    )
    return key


def expiry_of(key: PushKey):
    return key.made_at + LIFETIME


def is_alive(key: PushKey) -> bool:
    return timezone.now() < expiry_of(key)


def text_of(key: PushKey) -> str:
    """What is sent as `Authorization: Bearer …`."""
    return f"{key.pk.hex}.{_signer(key).signature(key.pk.hex)}"


def key_of(text: str) -> PushKey | None:
    """The key with this text, while it lives and its person can sign in."""
    name, _, signature = text.partition(".")
    try:
        key = PushKey.objects.select_related("person", "tenant__organization", "template").get(pk=UUID(name))
        _signer(key).unsign(f"{key.pk.hex}:{signature}")
    except (ValueError, PushKey.DoesNotExist, BadSignature):
        return None
    return key if is_alive(key) and key.person.is_active else None


def note_received(key: PushKey, version: CodeVersion) -> None:
    """The page of the key shows it and leads on to it."""
    PushKey.objects.filter(pk=key.pk).update(received=version, received_at=timezone.now(), refusal="")


def note_refusal(key: PushKey, sentence: str) -> None:
    """The page of the key says why what came was not taken."""
    PushKey.objects.filter(pk=key.pk).update(refusal=sentence[:LONGEST_REFUSAL])


def _signer(key: PushKey) -> Signer:
    return Signer(salt=f"tenants.run_templates.push_keys:{key.person.get_session_auth_hash()}")
