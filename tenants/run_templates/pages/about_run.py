"""What the page of a run says of the template behind it, and offers the person who looks."""

from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates.access import may_cancel, may_edit, may_run
from tenants.run_templates.continuing import can_continue, why_not_continued
from tenants.run_templates.models import NoticeWhen
from tenants.run_templates.notices import told_in_any_way
from tenants.run_templates.origin import WhyFailed, doors_of, later_runs, output_of, templates_for, why_failed
from tenants.run_templates.pages.code_used import code_used, other_code
from tenants.run_templates.pages.presentation import recorded_changes, url_of
from zenpro_site.common.polling import digest


def printed_by(rerun) -> dict:
    """What the process of a re-run has printed, None where that is not worth showing, why it can't be read now, and a
    digest of it."""
    found = output_of(rerun)
    output, trouble = found or (None, "")
    live = found is not None and not (rerun.has_ended or rerun.is_submitted)
    seen = digest(output, live, trouble) if trouble else digest(output, live)
    return {"output": output, "output_trouble": trouble, "output_seen": seen, "output_live": live}


def next_steps(request, run, rerun, page) -> dict[str, object]:
    """What the person who looks can do with the run, and what had been changed for it."""
    rights = request.tenant_permissions
    doors = doors_of(request.tenant, run, rerun, request.user, rights)
    return {
        "doors": doors,
        "can_continue": doors.can_run and can_continue(request.tenant, rerun, page),
        "cannot_continue": why_not_continued(request.tenant, rerun, page) if doors.can_run else "",
        "can_cancel": rerun is not None and may_cancel(request.user, rerun, rights),
        "can_edit": rerun is not None and may_edit(request.user, rerun.template, rights),
        "changes": recorded_changes(rerun) if rerun else [],
        "told": told_of(request, rerun),
        "instead": _instead(request, page.run) if doors.why_not else None,
        "other_code": _other_code(request, page.run, rerun, doors) if doors.can_run else None,
        "code": code_used(rerun, request.user, rights) if rerun else None,
        "later": _later(request.tenant, run, rerun),
    }


def _instead(request, run):
    """A template of the same pipeline that they may run."""
    found = templates_for(request.tenant, [run.pipeline]).get(run.pipeline)
    return found if found and may_run(request.user, found, request.tenant_permissions) else None


def _other_code(request, run, rerun, doors):
    return other_code(request.tenant, run, rerun, doors.template, request.tenant_permissions)


def _later(tenant, run, rerun) -> dict[str, object]:
    """Names and addresses of the re-runs that came of it."""
    found = later_runs(tenant, run, rerun)
    again = [(_short(one), url_of(one)) for one in found.again]
    continued = [(f"re-run {one.number}", url_of(one)) for one in found.continued]
    return {"again": again, "continued": continued, "more": found.more}


def _short(run) -> str:
    """With the template's name, where it is one to people."""
    return str(run) if run.template.is_listed else f"re-run {run.number}"


def told_of(request, rerun) -> NoticeWhen | None:
    """When the person who looks is told of it, in whatever way; None where they can't choose."""
    may_choose = rerun is not None and TenantPermission.TEMPLATE_VIEW in request.tenant_permissions
    return told_in_any_way(request.user, rerun) if may_choose and not rerun.has_ended else None


def reason_for(request, rerun, page, output: list[str] | None) -> WhyFailed | None:
    """Why it failed, with lines of its code for those who may see them."""
    return why_failed(page, rerun, output or [], TenantPermission.TEMPLATE_VIEW in request.tenant_permissions)
