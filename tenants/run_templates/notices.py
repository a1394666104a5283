"""Telling people that re-runs have ended: what they chose, and the mail that is written when the agent learns of an end.

People choose for each way of telling them, by mail and to their webhook (tenants/webhooks sends there). A choice for
one run decides alone. Otherwise a person is told when either their choice for the template or their default for runs
they start says so. However many of them match, a person is told once a way.
"""

import json
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F, Q
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from orgs.access.gate import admits
from orgs.mails.actions import queue_mail
from orgs.mails.models import Mail
from orgs.users.models import Actor
from tenants.access.gate import can
from tenants.models import Tenant
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates.document.schema import MASK, SEALED
from tenants.run_templates.models import (
    NoticeMail,
    NoticeWay,
    NoticeWhen,
    OwnNotice,
    RunNotice,
    RunTemplate,
    TemplateNotice,
    TemplateRun,
)
from zenpro_site.common.addresses import full
from zenpro_site.common.refusals import Refused

USEFUL = timedelta(days=1)  # then it is no news any more
VALUE = " (it was "  # begins what a validation error quotes: the value of a parameter
TEST_PAUSE = timedelta(minutes=1)  # between two test mails to one person
NO_MAIL = "No mail server is set up here, so no email can be sent."
NO_WEBHOOK = "You have no webhook yet. Set it up in your settings."
JUST_SENT = "A test was sent to you a moment ago. Wait a minute before you send another."
NO_ORGANIZATION = "Emails come from an organization, and you are not in one."


class Cause(StrEnum):
    """The choice that telling someone follows, so that a mail can say where to change that."""

    RUN = "run"
    TEMPLATE = "template"
    OWN = "own"


# -- what people chose


@transaction.atomic
def choose_for_run(*, run: TemplateRun, wanted: bool, by: Actor, way: str = NoticeWay.MAIL) -> None:
    """Whether the person is told when this re-run ends. Raises Refused when it has ended or the way is not open."""
    _require(way, by.person)
    locked = TemplateRun.objects.unfinished().select_for_update(of=("self",)).filter(pk=run.pk)
    if not locked.exists():
        raise Refused(f"{run} has already ended.")
    RunNotice.objects.update_or_create(run=run, person=by.person, way=way, defaults={"is_wanted": wanted})


@transaction.atomic
def choose_for_template(*, template: RunTemplate, when: str, by: Actor, way: str = NoticeWay.MAIL) -> None:
    """Of which runs of the template the person is told. `when`: a NoticeWhen. Raises Refused."""
    _require(way, by.person)
    mine = TemplateNotice.objects.filter(template=template, person=by.person, way=way)
    if when == NoticeWhen.NEVER:
        mine.delete()
    else:
        mine.update_or_create(template=template, person=by.person, way=way, defaults={"when": when})


@transaction.atomic
def choose_default(*, when: str, by: Actor, way: str = NoticeWay.MAIL) -> None:
    """Of which runs that they start the person is told. `when`: a NoticeWhen. Raises Refused."""
    _require(way, by.person)
    mine = OwnNotice.objects.filter(person=by.person, way=way, tenant=None)
    if when == NoticeWhen.NEVER and way == NoticeWay.MAIL:
        mine.delete()
    else:
        mine.update_or_create(person=by.person, way=way, tenant=None, defaults={"when": when})


@transaction.atomic
def choose_for_tenant(*, tenant: Tenant, when: str, by: Actor, way: str = NoticeWay.MAIL) -> None:
    """The same for runs they start in one tenant, whatever else they chose. `when`: a NoticeWhen, or "" for as
    everywhere. Raises Refused."""
    _require(way, by.person)
    mine = OwnNotice.objects.filter(person=by.person, way=way, tenant=tenant)
    if when:
        mine.update_or_create(person=by.person, way=way, tenant=tenant, defaults={"when": when})
    else:
        mine.delete()


@transaction.atomic
def open_webhook(*, person, when: str) -> None:
    """The person has a webhook from now on. `when`: a NoticeWhen, of which runs that they start they are told there."""
    OwnNotice.objects.update_or_create(
        person=person, way=NoticeWay.WEBHOOK, tenant=None, defaults={"when": when}
    )


@transaction.atomic
def forget_webhook(*, person) -> None:
    """Their webhook is gone, and with it all choices about it."""
    for choices in (OwnNotice, TemplateNotice, RunNotice):
        choices.objects.filter(person=person, way=NoticeWay.WEBHOOK).delete()


def _require(way: str, person) -> None:
    if way == NoticeWay.WEBHOOK and not has_webhook(person):
        raise Refused(NO_WEBHOOK)


def has_webhook(person) -> bool:
    """Can the person be told there? One query."""
    return OwnNotice.objects.filter(person=person, way=NoticeWay.WEBHOOK, tenant=None).exists()


def default_of(person, way: str = NoticeWay.MAIL) -> NoticeWhen:
    """What the person chose for runs they start in every tenant."""
    return _chosen(OwnNotice.objects.filter(person=person, way=way, tenant=None))


def tenant_choice_of(person, tenant: Tenant, way: str = NoticeWay.MAIL) -> NoticeWhen | None:
    """What the person chose for runs they start in this tenant; None for as everywhere."""
    chosen = OwnNotice.objects.filter(person=person, way=way, tenant=tenant)
    return next((NoticeWhen(when) for when in chosen.values_list("when", flat=True)), None)


def tenants_to_choose(person) -> list[tuple[Tenant, bool]]:
    """Tenants whose runs the person may read, and whether they chose something for one. Two queries."""
    own = set(OwnNotice.objects.filter(person=person).exclude(tenant=None).values_list("tenant", flat=True))
    found = Tenant.objects.with_right(person, TenantPermission.TEMPLATE_VIEW).select_related("organization")
    return [(tenant, tenant.pk in own) for tenant in found.order_by("organization__name", "name")]


def template_choice_of(person, template: RunTemplate, way: str = NoticeWay.MAIL) -> NoticeWhen:
    """What the person chose for all runs of the template."""
    return _chosen(TemplateNotice.objects.filter(template=template, person=person, way=way))


def choice_of(person, run: TemplateRun, way: str = NoticeWay.MAIL) -> NoticeWhen:
    """When the person is told of this re-run in this way, everything they chose taken together."""
    own = RunNotice.objects.filter(run=run, person=person, way=way)
    if (wanted := own.values_list("is_wanted", flat=True).first()) is not None:
        return NoticeWhen.ALWAYS if wanted else NoticeWhen.NEVER
    chosen = {template_choice_of(person, run.template, way)}
    if run.created_by_id == person.pk:
        chosen.add(_own_choice(person, run.template.tenant_id, way))
    return next(when for when in NoticeWhen if when in chosen)


def told_in_any_way(person, run: TemplateRun) -> NoticeWhen:
    """When the person is told of this re-run, by one way or another that is open to them."""
    chosen = {choice_of(person, run, way) for way in NoticeWay if is_open(way, person)}
    return next((when for when in NoticeWhen if when in chosen), NoticeWhen.NEVER)


def is_open(way: str, person) -> bool:
    """Can the person be told in this way?"""
    return settings.MAIL_IS_SET_UP if way == NoticeWay.MAIL else has_webhook(person)


def _own_choice(person, tenant: UUID, way: str) -> NoticeWhen:
    """What they chose for runs they start in the tenant, there or for all. One query."""
    mine = OwnNotice.objects.filter(Q(tenant=None) | Q(tenant=tenant), person=person, way=way)
    return _chosen(mine.order_by(F("tenant").asc(nulls_last=True)))


def _chosen(rows) -> NoticeWhen:
    return NoticeWhen(rows.values_list("when", flat=True).first() or NoticeWhen.NEVER)


# -- when a re-run ends


def tell_of_end(*, run: TemplateRun, state: str, reason: str) -> None:
    """Write a mail for everyone who wants to know that the re-run ended and may read it at this moment.

    Call it in the transaction that gives the run its end, and only when that gave it one: either both are kept or
    neither. `state`: one of TemplateRun.ENDED; `reason`: a sentence, "" for none.
    """
    if not settings.MAIL_IS_SET_UP:
        return
    readers = listeners(run=run, state=state, way=NoticeWay.MAIL)
    words = _sayable(run, reason) if readers else ""
    for person, cause in readers.items():
        _mail(run, person, cause, state, words)


def listeners(*, run: TemplateRun, state: str, way: str) -> dict[Any, Cause]:
    """People who want to be told in this way that the re-run ended so, and may read it at this moment; each with why."""
    causes = _causes(run, state, way)
    if not causes or (tenant := _tenant_of(run)) is None:
        return {}
    people = get_user_model().objects.filter(pk__in=causes, is_active=True, is_service_account=False)
    return {person: causes[person.pk] for person in people.order_by("email") if _may_read(person, tenant)}


def may_read(person, run: TemplateRun) -> bool:
    """May the person read the re-run at this moment? `person` as they are now, not as they were read before."""
    tenant = _tenant_of(run)
    return person.is_active and tenant is not None and _may_read(person, tenant)


def may_be_sent(mail: Mail) -> bool:
    """Whether whom it tells of a run may still read that; True for mails about anything else. Asked before each try."""
    about = NoticeMail.objects.select_related("person", "run__template").filter(mail=mail)
    found = about.defer("run__configuration", "run__changes", *bulky("run__template")).first()
    return found is None or may_read(found.person, found.run)


def bulky(path: str) -> list[str]:
    """The large columns of the template at the end of this path, to be left where they are."""
    names = ("snapshot", "default_configuration", "previous_configuration", "field_rules")
    return [f"{path}__{name}" for name in names]


def _causes(run: TemplateRun, state: str, way: str) -> dict[UUID, Cause]:
    """Person -> what makes us tell them."""
    matching = [NoticeWhen.ALWAYS] + [NoticeWhen.FAILED] * (state == TemplateRun.State.FAILED)
    own = _own_choice(run.created_by_id, run.template.tenant_id, way)
    causes = {run.created_by_id: Cause.OWN} if run.created_by_id and own in matching else {}
    watchers = TemplateNotice.objects.filter(template=run.template_id, way=way, when__in=matching)
    causes |= dict.fromkeys(watchers.values_list("person", flat=True), Cause.TEMPLATE)
    chosen = RunNotice.objects.filter(run=run, way=way)
    for person, wanted in chosen.values_list("person", "is_wanted"):
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


def _mail(run: TemplateRun, person, cause: Cause, state: str, reason: str) -> None:
    label, tenant = TemplateRun.State(state).label, run.template.tenant
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
    mail = queue_mail(
        organization=tenant.organization,
        to=person.email,
        subject=f"{label}: {run} on {tenant} ({tenant.organization})",
        text=render_to_string("emails/run_ended.txt", context),
        html=render_to_string("emails/run_ended.html", context),
        expires_at=timezone.now() + USEFUL,
    )
    NoticeMail.objects.create(mail=mail, run=run, person=person)


def _where_to_change(run: TemplateRun, cause: Cause) -> str:
    if cause == Cause.TEMPLATE:
        return f"{run.template.get_absolute_url()}#notices"
    return reverse("run_templates:notice_default")


# -- tests


@transaction.atomic
def send_test_mail(*, about: TemplateRun | RunTemplate | Tenant | None, by: Actor) -> str:
    """Put a test mail to the person into the outbox, and return its address. `about`: None for all runs they start.

    Raises Refused: no mail server, no organization to write from, or a test within the last minute.
    """
    organization, person = _organization_for(about, by.person), by.person
    subject = f"Test: {about or 'runs you start'} ({organization})"
    sent = Mail.objects.filter(to=person.email, subject__startswith="Test: ")
    if sent.filter(created_at__gt=timezone.now() - TEST_PAUSE).exists():
        raise Refused(JUST_SENT)
    what = f"a run you start on {about}" if isinstance(about, Tenant) else about or "a run you start"
    context = {"about": what, "organization": organization}
    context["link"] = full(about.get_absolute_url() if about else reverse("run_templates:notice_default"))
    queue_mail(
        organization=organization,
        to=person.email,
        subject=subject,
        text=render_to_string("emails/notice_test.txt", context),
        html=render_to_string("emails/notice_test.html", context),
        expires_at=timezone.now() + USEFUL,
    )
    return person.email


def _organization_for(about: TemplateRun | RunTemplate | Tenant | None, person):
    if not settings.MAIL_IS_SET_UP:
        raise Refused(NO_MAIL)
    if isinstance(about, Tenant):
        return about.organization
    if about is not None:
        return (about.template if isinstance(about, TemplateRun) else about).tenant.organization
    first = person.memberships.select_related("organization").order_by("organization__name").first()
    if first is None:
        raise Refused(NO_ORGANIZATION)
    return first.organization
