"""The form that runs a template with other values, and a re-run until its pipeline has started."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.text import slugify
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from orgs.access.gate import refuse
from tenants.access.gate import tenant_view
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates import actions
from tenants.run_templates.access import NOT_THEIRS, may_cancel, may_run, require_runner
from tenants.run_templates.document.configuration import DocumentFault
from tenants.run_templates.document.drafts import (
    TABS,
    arranged,
    as_it_was,
    examined,
    from_post,
    from_query,
    reset,
    rewritten,
    with_sealed,
)
from tenants.run_templates.document.parsed import Document
from tenants.run_templates.document.sealed_secrets import sealer
from tenants.run_templates.notices import told_in_any_way
from tenants.run_templates.pages.beginnings import (
    chosen_preset,
    first_draft,
    other_run,
    run_to_start_from,
    sent_preset,
)
from tenants.run_templates.pages.code_used import code_used
from tenants.run_templates.pages.continue_page import (
    GoingOn,
    agreed,
    at_step,
    going_on,
    previewed,
    run_before,
)
from tenants.run_templates.pages.filling import fill, offered
from tenants.run_templates.pages.polled import runs_seen
from tenants.run_templates.pages.presentation import (
    DraftEditor,
    HistoryRow,
    recent_runs,
    recorded_changes,
    stages,
    typical_time,
    url_of,
)
from tenants.run_templates.pages.stack_choice import chosen_stack, stacks_shown
from tenants.run_templates.pages.taken_names import taken_name
from tenants.run_templates.presets import presets_for
from zenpro_site.common.addresses import full
from zenpro_site.common.htmx import render_partial, render_watched, wants
from zenpro_site.common.refusals import Refused

TAB_WORDS = {"form": "Form", "yaml": "YAML", "diff": "Diff"}
OFFERED = 10
UNSEEN = "You chose another shape of a value: check what is in it now, then run it."
NOT_VALUES = {"tab", "from", "like", "preset", "continue"}


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.TEMPLATE_RUN)
def run(request, template):
    people = ("created_by", "requirements_changed_by")
    template = get_object_or_404(request.tenant.templates.select_related(*people), pk=template)
    require_runner(request, template)
    document = Document.of(template)
    if request.method == "POST":
        return _posted(request, document)
    before = run_before(template, request.GET)
    if before and "step" in request.GET:
        return redirect(at_step(f"{request.path}?continue={before.number}", request.GET["step"], document))
    start, preset = before or run_to_start_from(request, template), chosen_preset(request, template)
    other, trouble = (None, None) if start or preset else other_run(request)
    draft = first_draft(document, preset, start, other, request.user)
    values = {name: request.GET[name] for name in request.GET if name not in NOT_VALUES}
    editor = DraftEditor(template, examined(with_sealed(from_query(draft, values), sealer(template))))
    tab = _tab(request.GET.get("tab", ""), "", editor)
    more = {
        "start": start,
        "other": other,
        "trouble": trouble,
        "going_on": _going_on(request, before, editor),
    }
    return _form(request, editor, tab, summarize=bool(editor.troubles), **more)


def _posted(request, document: Document):
    """What a button of the form asks for; a change while typing only wants to know what follows from it."""
    data, typing = request.POST, wants(request, "bar")
    before = run_before(document.template, data)
    draft = from_post(document, data, {} if typing else request.FILES, sealer(document.template))
    # htmx sends the button that has the focus along with a change: no one has pressed it.
    undone = not typing and any(data.get(name) for name in ("reset", "rows", "json", "undo"))
    if undone:
        draft = _redrawn(draft, data)
    editor = DraftEditor(document.template, examined(draft))
    tab = _tab("" if typing else data.get("tab", ""), data.get("shown", ""), editor)
    if typing:
        seen = previewed(before, data.get("past", ""), draft.parsed) if before else None
        return _form(request, editor, tab, live=True, going_on=seen)
    if data.get("download") and not request.htmx:
        return _file(editor)
    if data.get("fill"):
        return _fill(request, editor, tab, data["fill"], before)
    seen = _going_on(request, before, editor)
    if data.get("do") == "run" and not request.htmx:
        unseen = draft.reshaped and not editor.troubles
        more = {"status": 422, "refused": UNSEEN, "going_on": seen}
        return _form(request, editor, tab, **more) if unseen else _queue(request, editor, tab, seen)
    return _form(request, editor, tab, summarize=bool(editor.troubles) and not undone, going_on=seen)


def _going_on(request, before, editor) -> GoingOn | None:
    """What is taken over with the values of the form; None for a run that continues none."""
    return going_on(request, editor.template, before, editor.draft.parsed) if before else None


def _redrawn(draft, data):
    """What a button inside the form does to the draft: a value reset, a row more or less, JSON instead of inputs."""
    if data.get("undo"):
        return as_it_was(draft, data.get("before", ""))
    if data.get("reset"):
        return reset(draft, data["reset"])
    if data.get("json"):
        return rewritten(draft, data["json"])
    action, _, path = data["rows"].partition(" ")
    return arranged(draft, action, path)


def _file(editor) -> HttpResponse:
    """The text of the YAML view, to keep and to upload again."""
    answer = HttpResponse(editor.yaml, content_type="application/yaml; charset=utf-8")
    name = slugify(editor.template.name) or "configuration"
    answer["Content-Disposition"] = f'attachment; filename="{name}.yaml"'
    return answer


def _fill(request, editor, tab, source, before):
    """The form with the values of another run, or with the runs to choose from."""
    if source == "choose":
        offer, seen = offered(request, editor.template), _going_on(request, before, editor)
        return _form(request, editor, tab, offer=offer, going_on=seen)
    try:
        draft, filled = fill(request, editor.draft, source)
    except Refused as error:
        seen = _going_on(request, before, editor)
        return _form(request, editor, tab, unfilled=str(error), going_on=seen)
    again = DraftEditor(editor.template, examined(with_sealed(draft, sealer(editor.template))))
    seen = _going_on(request, before, again)
    return _form(request, again, tab, filled=filled, summarize=bool(again.troubles), going_on=seen)


def _queue(request, editor, tab, seen):
    """Run it, or come back with everything that is wrong; then nothing has been made."""
    if not editor.draft.problems and (taken := taken_name(request, editor.template, editor.run_name)):
        return _wrong(request, editor, tab, [DocumentFault("run_name", taken)], seen)
    if editor.troubles:
        return _form(request, editor, tab, status=422, summarize=True, tried=True, going_on=seen)
    try:
        made = actions.queue_run(
            template=editor.template,
            configuration=editor.draft.parsed,
            by=request.actor,
            continues=agreed(seen, request.POST) if seen else None,
            preset=sent_preset(request, editor.template),
            stack=chosen_stack(request),
        )
    except actions.InvalidConfiguration as error:
        return _wrong(request, editor, tab, error.problems, seen)
    except Refused as error:
        return _form(request, editor, tab, status=422, refused=str(error), going_on=seen)
    return redirect(made)


def _wrong(request, editor, tab, problems, seen):
    """The form with what was found when it was to be run."""
    editor.draft.problems.extend(problems)
    again = DraftEditor(editor.template, editor.draft)
    return _form(request, again, tab, status=422, summarize=True, tried=True, going_on=seen)


def _tab(wanted: str, shown: str, editor) -> str:
    """The tab to show; text that could not be read as YAML is only to be seen as text."""
    if editor.draft.unread:
        return "yaml"
    return next((tab for tab in (wanted, shown) if tab in TABS), "form")


def _form(request, editor, tab, status=200, **more):
    earlier = [] if more.get("live") else recent_runs(editor.template)
    presets = [] if more.get("live") else [*presets_for(editor.template, request.user)]
    context = {
        "presets": presets,
        "preset": None if more.get("live") else chosen_preset(request, editor.template),
        "template": editor.template,
        "editor": editor,
        "tab": tab,
        "tabs": [*TAB_WORDS.items()],
        "run_url": _url(request, "run", editor.template.pk),
        "site": full(""),
        "earlier": [HistoryRow(run) for run in earlier[:OFFERED]],
        "typical": typical_time(earlier),
        "stacks": None if more.get("live") else stacks_shown(request, editor.template, more.get("start")),
        **more,
    }
    if seen := more.get("going_on"):
        context["before_url"] = url_of(seen.run)
    page = "run_templates/run.html#bar" if more.get("live") else "run_templates/run.html#editor"
    return render_partial(request, page, context, status=status)


def _url(request, name: str, *args) -> str:
    return reverse(f"run_templates:{name}", args=[request.org.slug, request.tenant.slug, *args])


# -- one re-run


@require_safe
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def run_detail(request, template, number):
    made = _run_of(request, template, number)
    if made.zenml_run_id:
        return redirect(url_of(made))
    context = {
        "template": made.template,
        "run": made,
        "number_words": f"Re-run {made.number}",
        "stages": stages(made),
        "changes": recorded_changes(made),
        "run_url": _url(request, "run", made.template.pk),
        "cancel_url": _url(request, "cancel", made.template.pk, made.number),
        "undo_url": _url(request, "undo", made.template.pk, made.number),
        "can_run": may_run(request.user, made.template, request.tenant_permissions),
        "told": told_in_any_way(request.user, made),
        "code": code_used(made, request.user, request.tenant_permissions),
        "continues_url": url_of(made.continues) if made.continues else "",
        "can_cancel": _may_cancel(request, made) and not (made.has_ended or made.cancel_requested_at),
    }
    beside = (context["told"], request.tenant.is_available, sorted(map(str, request.tenant_permissions)))
    return render_watched(request, "run_templates/rerun.html#status", context, runs_seen([made], *beside))


@require_POST
@tenant_view(TenantPermission.TEMPLATE_RUN)
def cancel(request, template, number):
    return _stopped(request, _cancellable(request, template, number))


def _cancellable(request, template, number):
    made = _run_of(request, template, number)
    if not _may_cancel(request, made):
        refuse(request, TenantPermission.CHANGE, request.tenant, NOT_THEIRS)
    return made


def _stopped(request, made):
    stop = actions.give_up_run if "now" in request.POST else actions.cancel_run
    try:
        stop(run=made, by=request.actor)
    except Refused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"Stopping {made}.")
    return redirect(url_of(made))


@require_POST
@tenant_view(TenantPermission.TEMPLATE_RUN)
def undo(request, template, number):
    """Take back a click. Once the run has started, stopping it is the nearest to that."""
    made = _cancellable(request, template, number)
    if not actions.undo_run(run=made, by=request.actor):
        return _stopped(request, made)
    messages.success(request, f"{made} will not start.")
    return redirect(made)


def _run_of(request, template, number):
    template = get_object_or_404(request.tenant.templates.defer("snapshot"), pk=template)
    runs = template.runs.select_related("created_by", "code", "continues")
    found = get_object_or_404(runs.defer("continues__configuration", "continues__changes"), number=number)
    if found.continues:
        found.continues.template = template
    return found


def _may_cancel(request, made) -> bool:
    return may_cancel(request.user, made, request.tenant_permissions)
