"""Mails about re-runs that have ended: what people chose, and what is written when the agent learns of an end.

A choice for one run decides alone. Otherwise a person is told when either their choice for the template or their
default for runs they start says so. However many of them match, a person gets one mail.
"""

import json
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from orgs.access.gate import admits
from orgs.mails.actions import queue_mail
from orgs.users.models import Actor
from tenants.access.gate import can
from tenants.models import Tenant
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates.document.schema import MASK, SEALED
from tenants.run_templates.models import (
    NoticeDefault,
    NoticeWhen,
    RunNotice,
    RunTemplate,
    TemplateNotice,
    TemplateRun,
)
from zenpro_site.common.addresses import full
from zenpro_site.common.refusals import Refused

USEFUL = timedelta(days=1)  # then it is no news any more, and who may read it was asked too long ago
VALUE = " (it was "  # begins what a validation error quotes: the value of a parameter


class Cause(StrEnum):
    """The choice a mail follows, so that it can say where to change that."""

    RUN = "run"
    TEMPLATE = "template"
    OWN = "own"


# -- what people chose


@transaction.atomic
def choose_for_run(*, run: TemplateRun, wanted: bool, by: Actor) -> None:
    """Whether the person is told when this re-run ends. Raises Refused when it has ended."""
    locked = TemplateRun.objects.unfinished().select_for_update(of=("self",)).filter(pk=run.pk)
    if not locked.exists():
        raise Refused(f"{run} has already ended.")
    RunNotice.objects.update_or_create(run=run, person=by.person, defaults={"is_wanted": wanted})


@transaction.atomic
def choose_for_template(*, template: RunTemplate, when: str, by: Actor) -> None:
    """Of which runs of the template the person is told. `when`: a NoticeWhen."""
    mine = TemplateNotice.objects.filter(template=template, person=by.person)
    if when == NoticeWhen.NEVER:
        mine.delete()
    else:
        mine.update_or_create(template=template, person=by.person, defaults={"when": when})


@transaction.atomic
def choose_default(*, when: str, by: Actor) -> None:
    """Of which runs that they start the person is told. `when`: a NoticeWhen."""
    mine = NoticeDefault.objects.filter(person=by.person)
    if when == NoticeWhen.NEVER:
        mine.delete()
    else:
        mine.update_or_create(person=by.person, defaults={"when": when})


def default_of(person) -> NoticeWhen:
    """What the person chose for runs they start."""
    return _chosen(NoticeDefault.objects.filter(person=person))


def template_choice_of(person, template: RunTemplate) -> NoticeWhen:
    """What the person chose for all runs of the template."""
    return _chosen(TemplateNotice.objects.filter(template=template, person=person))


def choice_of(person, run: TemplateRun) -> NoticeWhen:
    """When the person is told of this re-run, everything they chose taken together."""
    own = RunNotice.objects.filter(run=run, person=person).values_list("is_wanted", flat=True).first()
    if own is not None:
        return NoticeWhen.ALWAYS if own else NoticeWhen.NEVER
    chosen = {template_choice_of(person, run.template)}
    if run.created_by_id == person.pk:
        chosen.add(default_of(person))
    return next(when for when in NoticeWhen if when in chosen)


def _chosen(rows) -> NoticeWhen:
    return NoticeWhen(rows.values_list("when", flat=True).first() or NoticeWhen.NEVER)


# -- when a re-run ends


def tell_of_end(*, run: TemplateRun, state: str, reason: str) -> None:
    """Write a mail for everyone who wants to know that the re-run ended and may read it at this moment.

    Call it in the transaction that gives the run its end, and only when that gave it one: either both are kept or
    neither. `state`: one of TemplateRun.ENDED; `reason`: a sentence, "" for none.
    """
    if not settings.MAIL_IS_SET_UP or not (causes := _causes(run, state)):
        return
    tenant = _tenant_of(run)
    if tenant is None:
        return
    people = get_user_model().objects.filter(pk__in=causes, is_active=True, is_service_account=False)
    readers = [person for person in people.order_by("email") if _may_read(person, tenant)]
    words = _sayable(run, reason) if readers else ""
    for person in readers:
        _mail(run, tenant, person, causes[person.pk], state, words)


def _causes(run: TemplateRun, state: str) -> dict[UUID, Cause]:
    """Person -> what makes us tell them."""
    matching = [NoticeWhen.ALWAYS] + [NoticeWhen.FAILED] * (state == TemplateRun.State.FAILED)
    starter = NoticeDefault.objects.filter(person=run.created_by_id, when__in=matching)
    causes = dict.fromkeys(starter.values_list("person", flat=True), Cause.OWN)
    watchers = TemplateNotice.objects.filter(template=run.template_id, when__in=matching)
    causes |= dict.fromkeys(watchers.values_list("person", flat=True), Cause.TEMPLATE)
    for person, wanted in RunNotice.objects.filter(run=run).values_list("person", "is_wanted"):
        if wanted:
            causes[person] = Cause.RUN
        else:
            causes.pop(person, None)
    return causes


def _tenant_of(run: TemplateRun) -> Tenant | None:
    """As it is now: the row of the run may have been read before it was deleted, or asked for a second factor."""
    live = Tenant.objects.live().select_related("organization")
    return live.filter(pk=run.template.tenant_id).first()


def _may_read(person, tenant: Tenant) -> bool:
    return admits(person, tenant.organization) and can(person, TenantPermission.TEMPLATE_VIEW, tenant)


def _sayable(run: TemplateRun, reason: str) -> str:
    """The reason without values: mails are kept in places where we can't hide anything any more.

    Code that was given a secret may repeat it, whole or in part, so of such a run nothing is said.
    """
    values = json.dumps(run.configuration, ensure_ascii=False)
    if SEALED in values or MASK in values:
        return ""
    return " ".join(reason.partition(VALUE)[0].split())


def _mail(run: TemplateRun, tenant: Tenant, person, cause: Cause, state: str, reason: str) -> None:
    label = TemplateRun.State(state).label
    context: dict[str, Any] = {
        "run": run,
        "tenant": tenant,
        "organization": tenant.organization,
        "state": label.lower(),
        "reason": reason,
        "has_failed": state == TemplateRun.State.FAILED,
        "cause": cause,
        "link": full(run.get_absolute_url()),
        "off": full(_where_to_change(run, cause)),
    }
    queue_mail(
        organization=tenant.organization,
        to=person.email,
        subject=f"{label}: {run} on {tenant} ({tenant.organization})",
        text=render_to_string("emails/run_ended.txt", context),
        html=render_to_string("emails/run_ended.html", context),
        expires_at=timezone.now() + USEFUL,
    )


def _where_to_change(run: TemplateRun, cause: Cause) -> str:
    if cause == Cause.TEMPLATE:
        return f"{run.template.get_absolute_url()}#notices"
    return reverse("run_templates:notice_default")
