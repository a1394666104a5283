"""Where pods of runs fetch their code. Whoever shows no ticket finds nothing here."""

from http import HTTPStatus

from django.http import FileResponse, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from tenants.run_templates.engine.code import CodeError
from tenants.run_templates.engine.code_archives import packed
from tenants.run_templates.engine.pod_tickets import take_ticket
from tenants.run_templates.engine.stored_code import CodeOutOfReach, present


@csrf_exempt
def code(request, run):
    """The code of a run as a .tar. The ticket is spent, whatever comes of it."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    is_asked = request.method == "GET" and scheme == "Bearer"
    found = take_ticket(run, text.strip()) if is_asked else None
    if found is None or found.code is None:
        return HttpResponse(status=HTTPStatus.NOT_FOUND)
    try:
        folder = present(found.code.code_hash)
    except CodeOutOfReach:
        return HttpResponse(status=HTTPStatus.SERVICE_UNAVAILABLE)
    except CodeError:
        return HttpResponse(status=HTTPStatus.GONE)
    if not folder.is_dir():
        return HttpResponse(status=HTTPStatus.GONE)
    return FileResponse(packed(folder), content_type="application/x-tar")
