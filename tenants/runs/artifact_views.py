"""What an artifact's owner wrote leaves for a browser here: pictures, and HTML that no origin of ours belongs to."""

import re

from django.contrib import messages
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from tenants.access.gate import tenant_view
from tenants.hosting.base import TenantNotFound
from tenants.models.tenant_permissions import TenantPermission
from tenants.runs.artifact_places import in_words, is_away, why_away
from tenants.runs.artifacts import VISUALIZATIONS, artifact_of, attempt
from tenants.runs.log_files import stores_here
from tenants.runs.reading import ask, file_name
from tenants.runs.visualizations import visualization_of

# No scripts: what they may open cannot be held by any policy (a preconnect, a WebRTC call), and a page that runs in
# a tab of its own could go anywhere. Without them the sandbox keeps the document from moving by itself, and
# default-src keeps it from loading; styles and what is written inside the document are shown.
FRAME_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; media-src data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
# Two kinds of elements reach a network past the policy: <link rel="preconnect">, and a link somebody clicks, to whose
# server Chromium connects before it asks whether the frame may go there. Neither may come back in a document inside
# the document, whose text (srcdoc) is written as an attribute. What else leads elsewhere the policy stops already, in
# browsers that follow it: form-action forms, base-uri <base>, default-src frames with an address, <object> and <embed>,
# the sandbox a refresh.
LINK = re.compile(r"<(?=link\b)", re.IGNORECASE)
LEADING = (
    "a",
    "area",
    "base",
    "embed",
    "form",
    "math",
    "meta",
    "object",
)  # Firefox takes <math href> for a link
FRAMES = ("applet", "fencedframe", "frame", "iframe", "portal")
ELSEWHERE = re.compile(rf"(</?)({'|'.join([*LEADING, *FRAMES])})(?=[\s/>])", re.IGNORECASE)


@require_safe
@xframe_options_sameorigin
@tenant_view(TenantPermission.VIEW)
def artifact_frame(request, run, artifact, index):
    """A visualization by itself: HTML for the frame of the run's page, or a picture."""
    if request.headers.get("Sec-Fetch-Dest", "iframe") == "document":
        return redirect(_page_of(request, run, artifact))
    if index >= VISUALIZATIONS:
        raise Http404("No such visualization.")
    shown, sentence = _visualization(request, artifact, index)
    if sentence:
        return _kept_apart(HttpResponse(sentence, content_type="text/plain; charset=utf-8", status=503))
    if shown.picture:
        return _kept_apart(HttpResponse(shown.picture, content_type=shown.media_type))
    if shown.kind == "html":
        return _kept_apart(HttpResponse(unlinked(shown.text), content_type="text/html; charset=utf-8"))
    raise Http404("Nothing to show by itself.")


@require_safe
@tenant_view(TenantPermission.VIEW)
def artifact_download(request, run, artifact):
    """The files of an artifact, packed by the server and passed on as they arrive."""
    found, trouble = _asked(
        request, lambda client: (client.artifact_version(artifact), _data(client, artifact))
    )
    if trouble:
        return _not_downloaded(request, run, artifact, in_words(f"{trouble.title}. {trouble.text}"))
    version, (data, sentence) = found
    known = artifact_of(version)
    if sentence:
        away = known and is_away(known.uri, stores_here(request.tenant), failed=True)
        return _not_downloaded(request, run, artifact, why_away(known.uri, sentence) if away else sentence)
    return _attachment(data, known)


def _not_downloaded(request, run, artifact, sentence: str):
    """The page with the artifact and the reason: a browser would save anything else as a file."""
    messages.error(request, f"This artifact can't be downloaded: {sentence}")
    return redirect(_page_of(request, run, artifact))


def _data(client, artifact):
    """What the store lacks or a server before 0.80 cannot do is a sentence on the run's page."""
    return attempt(lambda: client.artifact_data(artifact))


def _attachment(data, known) -> StreamingHttpResponse:
    response = StreamingHttpResponse(data, content_type="application/octet-stream")
    response["Content-Disposition"] = f'attachment; filename="{file_name(known.name, known.version)}.tar.gz"'
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    if data.length is not None:
        response["Content-Length"] = str(data.length)
    return response


def unlinked(html: str) -> str:
    """Links and frames as plain text. What begins no tag of that name for this, begins none for a browser either."""
    return ELSEWHERE.sub(r"\1span", LINK.sub("&lt;", html))


def _page_of(request, run, artifact) -> str:
    address = reverse("tenants:run_detail", args=[request.org.slug, request.tenant.slug, run])
    return f"{address}?view=artifacts&artifact={artifact}"


def _visualization(request, artifact, index):
    """(visualization, "") or (None, why not)."""
    answer, trouble = _asked(request, lambda client: client.visualization(artifact, index))
    if trouble:
        return None, in_words(f"{trouble.title}. {trouble.text}")
    return visualization_of(answer), ""


def _asked(request, question):
    try:
        return ask(request.user, request.tenant, question)
    except TenantNotFound as error:
        raise Http404("No such artifact.") from error


def _kept_apart(response: HttpResponse) -> HttpResponse:
    """Whatever it is, a browser takes it for nothing of ours, and asks no one about it."""
    response["Content-Security-Policy"] = FRAME_POLICY
    response["Content-Disposition"] = "inline"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Content-Type-Options"] = "nosniff"
    response["X-DNS-Prefetch-Control"] = "off"
    return response
