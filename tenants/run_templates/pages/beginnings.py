"""What the form of a re-run begins with: a preset, an earlier re-run, another run, or the template itself."""

from uuid import UUID

from django.http import Http404
from django.shortcuts import get_object_or_404

from tenants.hosting.base import TenantNotFound
from tenants.run_templates.document.drafts import draft_after, fresh, like
from tenants.run_templates.document.parsed import Document
from tenants.run_templates.pages.presentation import source_of
from tenants.run_templates.presets import draft_of, presets_for
from tenants.runs.reading import ask
from zenpro_site.common.identifiers import uuid_or_none


def first_draft(document: Document, preset, start, other, person):
    """What the form begins with: a preset, an earlier re-run, another run, or the template itself."""
    if preset:
        return draft_of(preset, document)
    if other:
        return like(document, other.snapshot)
    return draft_after(document, start, person) if start else fresh(document)


def run_to_start_from(request, template):
    """The earlier re-run the form begins as, or None for the template's own values."""
    number = request.GET.get("from", "")
    if not (number.isdecimal() and len(number) < 9):
        return None
    return get_object_or_404(template.runs.all(), number=int(number))


def chosen_preset(request, template):
    """The preset the form began with, or None.

    One that an address names has to be there. One of a form that is sent may be gone: what was typed is not.
    """
    if request.method == "POST":
        return sent_preset(request, template)
    if not request.GET.get("preset"):
        return None
    chosen = uuid_or_none(request.GET["preset"])
    return get_object_or_404(presets_for(template, request.user), pk=chosen)


def sent_preset(request, template):
    """The preset a form that is sent began with, if it is still there."""
    return presets_for(template, request.user).filter(pk=uuid_or_none(request.POST.get("preset", ""))).first()


def other_run(request):
    """A run of the tenant whose values the form begins with, and why they cannot be read; twice None for none."""
    if "like" not in request.GET:
        return None, None
    try:
        run = UUID(request.GET["like"])
        return ask(request.user, request.tenant, lambda client: source_of(client, run))
    except (ValueError, TenantNotFound) as error:
        raise Http404("There is no such run.") from error
