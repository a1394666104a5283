"""Pushing code from a terminal: the page with the command, and the address that takes what it sends."""

from http import HTTPStatus

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from orgs.access.gate import act_as, admits
from tenants.access.gate import tenant_permissions_of, tenant_view
from tenants.hosting.base import TenantNotFound
from tenants.models import Tenant
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates import code_actions
from tenants.run_templates.access import may_edit
from tenants.run_templates.engine.archives import LARGEST
from tenants.run_templates.models import CodeVersion, PushKey
from tenants.run_templates.pages.code_subject import (
    Subject,
    query_for,
    subject_of_run,
    subject_of_template,
)
from tenants.run_templates.pages.push_lines import lines_of
from tenants.run_templates.push_keys import expiry_of, is_alive, key_of, note_received, note_refusal
from zenpro_site.common.addresses import full
from zenpro_site.common.bodies import BodyTooLarge, chunks_of, on_disk
from zenpro_site.common.htmx import render_partial

INVALID = "This command is no longer valid. Make a new one on the page in your browser."
TOO_LARGE = f"This is more than {LARGEST // 1024**2} MB. Leave out data, environments and caches."
NO_LONGER = "You can no longer add code here."


@require_safe
@tenant_view(TenantPermission.TEMPLATE_CREATE)
def push(request, push):
    """The command of a key, and what has come with it; only its person sees it."""
    keys = request.tenant.push_keys.select_related("person", "template", "received")
    key = get_object_or_404(keys, pk=push, person=request.user)
    context = {"key": key, "alive": is_alive(key), "until": expiry_of(key)}
    context["query"] = query_for(key.run_id, key.template, key.again)
    context |= {"commands": lines_of(key)} if context["alive"] else {}
    return render_partial(request, "run_templates/code/push.html#push", context)


@csrf_exempt
@require_POST
def receive(request):
    """Takes an archive of code from whoever holds a key. The answer is a sentence for a terminal."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    key = key_of(text.strip()) if scheme == "Bearer" else None
    if key is None:
        return _said(INVALID, HTTPStatus.UNAUTHORIZED)
    act_as(request, key.person)
    if not _may_still(key):
        return _refused(key, NO_LONGER, HTTPStatus.FORBIDDEN)
    try:
        with on_disk(chunks_of(request), LARGEST) as archive:
            return _take(request, key, archive)
    except BodyTooLarge:
        return _refused(key, TOO_LARGE, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def _may_still(key: PushKey) -> bool:
    if key.tenant.desired_state == Tenant.DesiredState.DELETED or not admits(
        key.person, key.tenant.organization
    ):
        return False
    rights = tenant_permissions_of(key.person, key.tenant)
    allowed = TenantPermission.TEMPLATE_CREATE in rights
    return allowed and (key.template is None or may_edit(key.person, key.template, rights))


def _take(request, key: PushKey, archive) -> HttpResponse:
    subject = _subject(key)
    if subject is None:
        return _refused(key, "The tenant's server does not answer. Try again in a moment.", 503)
    facts = {"tenant": key.tenant, "pipeline": subject.pipeline, "snapshot": subject.snapshot}
    try:
        version = code_actions.add_pushed(**facts, archive=archive, by=request.actor)
    except code_actions.CodeRefused as error:
        return _refused(key, error.reason, HTTPStatus.UNPROCESSABLE_ENTITY)
    note_received(key, version)
    return _said(_thanks(version, subject), HTTPStatus.CREATED)


def _subject(key: PushKey) -> Subject | None:
    if key.template:
        return subject_of_template(key.template)
    try:
        return subject_of_run(key.person, key.tenant, key.run_id, key.again)[0]
    except (TenantNotFound, Http404, PermissionDenied):
        return None


def _thanks(version: CodeVersion, subject: Subject) -> str:
    tenant = version.tenant
    path = reverse("run_templates:code", args=[tenant.organization.slug, tenant.slug, version.pk])
    address = full(f"{path}?{subject.query}")
    return f"Received {version.files} files as code v{version.number}. Check it here:\n{address}"


def _refused(key: PushKey, sentence: str, status: int) -> HttpResponse:
    note_refusal(key, sentence)
    return _said(sentence, status)


def _said(sentence: str, status: int) -> HttpResponse:
    return HttpResponse(f"{sentence}\n", status=status, content_type="text/plain; charset=utf-8")
