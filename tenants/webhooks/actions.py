"""Changes to the webhook of a template, or to a person's own.

Each is atomic and leaves one audit row, without the address and the secret.
"""

import secrets

from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils import timezone

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.models import Tenant
from tenants.run_templates.models import RunTemplate, TemplateRun
from tenants.run_templates.notices import forget_webhook, open_webhook
from zenpro_site.common.refusals import Refused
from zenpro_site.common.sealing import SecretsUnreadable

from .destinations import checked, host_of
from .models import Webhook, WebhookDelivery
from .outbox import send_sample
from .sending import Reply

NEEDED = "Enter the address to notify."


@transaction.atomic
def set_webhook(*, template: RunTemplate, address: str, when: str, by: Actor) -> str:
    """Tell this address from now on. Returns the secret if one was made, to be shown once, else "".

    `address` "" keeps the one there is; `when`: a Webhook.When. Raises Refused with a sentence for the address.
    """
    RunTemplate.objects.select_for_update(of=("self",)).only("pk").get(pk=template.pk)
    hook = Webhook.objects.filter(template=template).first() or Webhook(template=template)
    return _set(hook, address, when, by)


@transaction.atomic
def set_own_webhook(*, address: str, when: str, by: Actor) -> str:
    """Tell this address from now on what the person wants to be told there, and of which runs that they start.

    `when`: a NoticeWhen. Returns and raises as `set_webhook`.
    """
    get_user_model().objects.select_for_update(of=("self",)).only("pk").get(pk=by.person.pk)
    hook = Webhook.objects.filter(person=by.person).first() or Webhook(person=by.person)
    made = _set(hook, address, Webhook.When.ALWAYS, by)
    open_webhook(person=by.person, when=when)
    return made


def _set(hook: Webhook, address: str, when: str, by: Actor) -> str:
    before, known = _words(hook) if hook.host else None, _known(hook)
    if not (address or known):
        raise Refused(NEEDED)
    parts = checked(address or known["address"])
    made = "" if known else _new_secret()
    hook.host, hook.when, hook.set_by, hook.set_at = host_of(parts), when, by.person, timezone.now()
    hook.write(parts.geturl(), known["secret"] if known else made)
    hook.save()
    _record("template.webhook_set", "person.webhook_set", hook, by, before, _words(hook))
    return made


def _known(hook: Webhook) -> dict[str, str]:
    """Address and secret; empty when there are none, or none that can be read any more."""
    try:
        return hook.read() if hook.sealed else {}
    except SecretsUnreadable:
        return {}


@transaction.atomic
def replace_secret(*, hook: Webhook, by: Actor) -> str:
    """Sign with another secret from now on, which is returned to be shown once. Raises Refused."""
    known = _known(Webhook.objects.select_for_update(of=("self",)).get(pk=hook.pk))
    if not known:
        raise Refused("Enter the address again: it can't be read with the configured keys.")
    made = _new_secret()
    hook.write(known["address"], made)
    hook.save(update_fields=["sealed"])
    _record(
        "template.webhook_secret_replaced",
        "person.webhook_secret_replaced",
        hook,
        by,
        after={"host": hook.host},
    )
    return made


@transaction.atomic
def remove_webhook(*, hook: Webhook, by: Actor) -> None:
    """Tell no one any more, also not of runs that have ended; a person's choices about it go with it."""
    if hook.person:
        forget_webhook(person=hook.person)
    _record("template.webhook_removed", "person.webhook_removed", hook, by, _words(hook))
    hook.delete()


def try_webhook(
    *, hook: Webhook, by: Actor, about: TemplateRun | RunTemplate | Tenant | None = None
) -> Reply:
    """Send a sample now, and say what the other side answered. Never inside a transaction: it takes seconds.

    `about`: for a person's own webhook, the run or whose runs they want to be told of.
    """
    answer = send_sample(hook, about)
    said = {"host": hook.host, "answer": answer.status or answer.error}
    _record("template.webhook_tested", "person.webhook_tested", hook, by, after=said)
    return answer


def retry_delivery(delivery: WebhookDelivery) -> bool:
    """Queue a failed delivery once more, from the first attempt on. False when it is too late."""
    if not delivery.can_be_retried:
        return False
    fresh = {"state": WebhookDelivery.State.QUEUED, "attempts": 0, "settled_at": None}
    failed = WebhookDelivery.objects.filter(pk=delivery.pk, state=WebhookDelivery.State.FAILED)
    return bool(failed.update(**fresh, next_try_at=timezone.now()))


def _new_secret() -> str:
    return f"whsec_{secrets.token_urlsafe(32)}"


def _words(hook: Webhook) -> dict[str, str]:
    if hook.person:
        return {"host": hook.host}
    return {"host": hook.host, "when": Webhook.When(hook.when).label.lower()}


def _record(of_template: str, of_person: str, hook: Webhook, by: Actor, before=None, after=None) -> None:
    """In the log of the template's organization; of a person's own in that of the installation."""
    facts = {"by": by, "before": before, "after": after}
    if hook.person:
        AuditEvent.objects.record(of_person, hook.person, **facts)
        return
    organization = hook.template.tenant.organization
    AuditEvent.objects.record(of_template, hook.template, organization=organization, **facts)
