"""The way of the news of a run: written with its end, sent by the agent. Level-triggered, so a kill loses nothing.

A delivery is taken by moving its next attempt past LEASE. Whoever dies with it lets the lease run out and it is sent
again: written once, sent at least once, always under the same id.
"""

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import structlog
from django.db import close_old_connections
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from orgs.access.gate import admits
from tenants.access.gate import tenant_permissions_of
from tenants.models import Tenant
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates.access import may_edit
from tenants.run_templates.models import NoticeWay, RunTemplate, TemplateRun
from tenants.run_templates.notices import bulky, listeners, may_read
from zenpro_site.common.addresses import full
from zenpro_site.common.sealing import SecretsUnreadable

from .models import LEASE, PAUSES, Webhook, WebhookDelivery
from .sending import Reply, send, send_test

ENDED, TEST = "run.ended", "test"
AT_ONCE = 100  # webhooks in one round
SENDERS = 4  # threads: a slow receiver holds up one of them
UNREADABLE = "The address and the secret can't be read with the configured keys. Set the webhook up again."
LOST = "You can no longer read runs of this tenant."
log = structlog.get_logger("zenpro.webhooks")
State = WebhookDelivery.State


def queue_end(*, run: TemplateRun, state: str, ended_at: datetime) -> list[WebhookDelivery]:
    """Write the news that the re-run ended, for the webhook of its template and for those of people who want to know.

    Call it in the transaction that gives the run its end, and only when that gave it one: either both are kept or
    neither. `state`: one of TemplateRun.ENDED.
    """
    people = listeners(run=run, state=state, way=NoticeWay.WEBHOOK)
    wanted = Q(template=run.template_id, template__is_listed=True)
    if state != TemplateRun.State.FAILED:
        wanted &= ~Q(when=Webhook.When.FAILED)
    hooks = Webhook.objects.filter(wanted | Q(person__in=[*people])).order_by("pk")
    return [_queue(hook, run, state, ended_at) for hook in hooks]


def _queue(hook: Webhook, run: TemplateRun, state: str, ended_at: datetime) -> WebhookDelivery:
    delivery = WebhookDelivery(webhook=hook, run=run)
    delivery.body = json.dumps({"event": ENDED, "delivery": str(delivery.pk), **_news(run, state, ended_at)})
    delivery.save(force_insert=True)
    return delivery


def _news(run: TemplateRun, state: str, ended_at: datetime) -> dict[str, Any]:
    """What is told of a run: neither its values nor the reason of a failure, which may quote one."""
    person = run.created_by
    return {
        **_template(run.template),
        "run": {
            "number": run.number,
            "name": run.run_name,
            "zenml_id": run.zenml_run_id and str(run.zenml_run_id),
            "state": str(state),
            "asked_at": _time(run.queued_at),
            "started_at": _time(run.started_at),
            "ended_at": _time(ended_at),
            "seconds": run.started_at and round((ended_at - run.started_at).total_seconds(), 3),
            "link": full(run.get_absolute_url()),
        },
        "started_by": person and {"username": person.username, "name": str(person)},
    }


def _time(moment: datetime | None) -> str | None:
    return moment and moment.isoformat(timespec="seconds")


def _place(tenant: Tenant) -> dict[str, Any]:
    return {
        "organization": {"slug": tenant.organization.slug, "name": tenant.organization.name},
        "tenant": {"slug": tenant.slug, "name": tenant.name},
    }


def _template(template: RunTemplate) -> dict[str, Any]:
    return {**_place(template.tenant), "template": {"id": str(template.pk), "name": template.name}}


def send_sample(hook: Webhook, about: TemplateRun | RunTemplate | Tenant | None = None) -> Reply:
    """Send what tells of no end, now, and return what came of it. No secret or body is in the answer.

    `about`: for a person's own webhook, the choice that is tested, for one run, a template or a tenant.
    """
    body = {"event": TEST, **_about(about or hook.template)}
    try:
        target = hook.read()
    except SecretsUnreadable:
        return Reply(None, UNREADABLE, is_final=True)
    return send_test(hook.host, **target, event=TEST, delivery=str(hook.pk), body=json.dumps(body))


def _about(what: TemplateRun | RunTemplate | Tenant | None) -> dict[str, Any]:
    if isinstance(what, Tenant):
        return _place(what)
    if isinstance(what, TemplateRun):
        run = {"number": what.number, "name": what.run_name, "link": full(what.get_absolute_url())}
        return {**_template(what.template), "run": run}
    return _template(what) if what else {}


def why_not_sent(delivery: WebhookDelivery) -> str:
    """Why the news may not go out at this moment, as a sentence; "" when it may."""
    hook = delivery.webhook
    if hook.person is None:
        return why_silent(hook)
    return "" if may_read(hook.person, delivery.run) else LOST


def why_silent(hook: Webhook) -> str:
    """Why nothing may be sent for a template's webhook at this moment, as a sentence; "" when it may."""
    tenant = Tenant.objects.live().select_related("organization").filter(pk=hook.template.tenant_id).first()
    if tenant is None:
        return "The tenant has been deleted."
    if _may_still(hook, tenant):
        return ""
    who = hook.set_by or "Whoever set this up"
    return f"{who} can no longer change this template. Someone who can has to save the webhook again."


def _may_still(hook: Webhook, tenant: Tenant) -> bool:
    person = hook.set_by
    if person is None or not person.is_active or not admits(person, tenant.organization):
        return False
    return may_edit(person, hook.template, tenant_permissions_of(person, tenant))


def own_webhook(person) -> Webhook | None:
    """The person's own, if they have one."""
    return Webhook.objects.select_related("person").filter(person=person).first()


def shown_deliveries(hook: Webhook) -> QuerySet[WebhookDelivery]:
    """Its news, the newest first; a person's only of runs that they may read now."""
    found = hook.deliveries.select_related("run__template__tenant__organization")
    found = found.defer(*bulky("run__template"), "run__configuration", "run__changes", "body")
    if hook.person_id is None:
        return found
    readable = Tenant.objects.with_right(hook.person, TenantPermission.TEMPLATE_VIEW)
    return found.filter(run__template__tenant__in=readable)


# -- sending


def deliver_due(each: Callable = map) -> int:
    """Try what is due, one delivery of each webhook. Returns how many were tried. `each`: map, or that of a pool."""
    due = WebhookDelivery.objects.due().order_by().filter(webhook=OuterRef("pk"))
    hooks = Webhook.objects.filter(Exists(due)).order_by("pk").values_list("pk", flat=True)
    return sum(each(_deliver_next, list(hooks[:AT_ONCE])))


def _deliver_next(hook) -> int:
    related = ("webhook__set_by", "webhook__template", "webhook__person", "run__template")
    due = WebhookDelivery.objects.due().filter(webhook=hook).select_related(*related)
    delivery = due.defer(*bulky("webhook__template"), *bulky("run__template"), "run__configuration").first()
    if delivery is None or not _take(delivery):
        return 0
    if reason := why_not_sent(delivery):
        _settle(delivery, state=State.CANCELLED, error=reason[:300], settled_at=timezone.now())
    else:
        _note(delivery, _send(delivery))
    return 1


def _take(delivery: WebhookDelivery) -> bool:
    """One conditional UPDATE: of two agents exactly one gets it."""
    seen = WebhookDelivery.objects.due().filter(pk=delivery.pk, attempts=delivery.attempts).order_by()
    taken = seen.update(attempts=F("attempts") + 1, next_try_at=timezone.now() + LEASE)
    delivery.attempts += 1
    return bool(taken)


def _send(delivery: WebhookDelivery) -> Reply:
    try:
        target = delivery.webhook.read()
    except SecretsUnreadable:
        return Reply(None, UNREADABLE, is_final=True)
    return send(**target, event=ENDED, delivery=str(delivery.pk), body=delivery.body)


def _note(delivery: WebhookDelivery, answer: Reply) -> None:
    now = timezone.now()
    said = {"status": answer.status, "error": answer.error[:300]}
    if answer.ok:
        _settle(delivery, **said, state=State.SENT, settled_at=now)
        return
    log.warning("webhook was not delivered", delivery=str(delivery.pk), attempt=delivery.attempts)
    if answer.is_final or delivery.attempts > len(PAUSES):
        _settle(delivery, **said, state=State.FAILED, settled_at=now)
    else:
        _settle(delivery, **said, next_try_at=now + PAUSES[delivery.attempts - 1])


def _settle(delivery: WebhookDelivery, **values) -> None:
    """Unless someone else has taken it meanwhile."""
    ours = WebhookDelivery.objects.filter(pk=delivery.pk, state=State.QUEUED, attempts=delivery.attempts)
    ours.update(**values)


def run_forever(stop: threading.Event, interval: float = 2) -> None:
    """Send what is due until told to stop; once a minute, forget what is of no use any more. Never raises."""
    tidied = 0.0
    with ThreadPoolExecutor(SENDERS, "webhooks") as pool:
        while not stop.is_set():
            close_old_connections()
            try:
                deliver_due(lambda step, hooks: pool.map(_alone(step), hooks))
                if time.monotonic() > tidied + 60:
                    WebhookDelivery.objects.tidy()
                    tidied = time.monotonic()
            except Exception:
                log.exception("webhooks were not looked at")
            stop.wait(interval)


def _alone(step: Callable) -> Callable:
    """In a thread of the pool: its own connection, and its faults stay with it."""

    def go(hook) -> int:
        close_old_connections()
        try:
            return step(hook)
        except Exception:
            log.exception("a webhook was not looked at", webhook=str(hook))
            return 0

    return go
