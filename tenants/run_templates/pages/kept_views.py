"""What a failed run wrote in its working directory leaves for a browser here."""

from django.http import FileResponse, Http404, HttpResponse
from django.views.decorators.http import require_safe

from tenants.access.gate import tenant_view
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates.origin import opened_kept, rerun_of
from tenants.runs.reading import ask_or_404, file_name
from zenpro_site.common.shared_files import StorageFailed


@require_safe
@tenant_view(TenantPermission.VIEW)
def run_kept(request, run):
    """For whom the server shows the run: one call asks it."""
    rerun = rerun_of(request.tenant, run)
    known, trouble = ask_or_404(request, lambda client: client.run(run))
    if trouble:
        return _not_now(f"{trouble.title}. {trouble.text}")
    try:
        packed = opened_kept(rerun) if rerun else None
    except StorageFailed as error:
        return _not_now(f"What this run wrote can't be read now: {error.reason}")
    if packed is None:
        raise Http404("Nothing of this run is kept.")
    return _attachment(packed, f"{file_name(known.name)}.tar.gz")


def _not_now(words: str) -> HttpResponse:
    return HttpResponse(f"{words}\n", content_type="text/plain", status=503)


def _attachment(packed, name: str) -> FileResponse:
    response = FileResponse(
        packed, as_attachment=True, filename=name, content_type="application/octet-stream"
    )
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response
