"""The only place that knows htmx's headers."""

from django.conf import settings
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.template.context_processors import csrf
from django.template.loader import render_to_string
from django_htmx.http import (
    HttpResponseClientRedirect,
    HttpResponseClientRefresh,
    HttpResponseLocation,
    reswap,
    retarget,
)

HEADERS = ("HX-Request", "HX-Target")  # what answers depend on


def wants(request, partial: str) -> bool:
    """Is this htmx asking for exactly this fragment (and not for the page back in history)?"""
    htmx = request.htmx
    return bool(htmx) and not htmx.history_restore_request and htmx.target == partial


def render_partial(request, template: str, context: dict, status: int = 200) -> HttpResponse:
    """`template` is "page.html#name": the fragment for htmx aiming at #name, else the whole page."""
    page, _, partial = template.partition("#")
    chosen = template if wants(request, partial) else page
    return render(request, chosen, context, status=status)


def take_seen(request) -> None:
    """Move what a page says it has seen, `?seen=`, out of its address: no link of the answer carries it on."""
    request.seen = request.GET.get("seen", "")
    if request.seen:
        request.GET = request.GET.copy()
        del request.GET["seen"]


def has_seen(request, partial: str, seen: str) -> bool:
    """Is this a page that asks again for this fragment and shows all of it, `seen` in one word?"""
    return wants(request, partial) and request.seen == seen


def render_watched(request, template: str, context: dict, seen: str) -> HttpResponse:
    """As `render_partial`, for a fragment that asks again: 204 to who shows all of it, which htmx leaves as it is."""
    if has_seen(request, template.partition("#")[2], seen):
        return HttpResponse(status=204)
    return render_partial(request, template, {**context, "seen": seen})


def partial_or_redirect(request, template: str, context: dict, to) -> HttpResponse:
    """After a change: the fragment for htmx aiming at it, else a redirect to the page."""
    if wants(request, template.partition("#")[2]):
        return render(request, template, context)
    return redirect(to)


def instead_into(response: HttpResponse, target: str) -> HttpResponse:
    """The answer goes inside the element with this id, not where it was asked for: a form with its errors."""
    return reswap(retarget(response, f"#{target}"), "innerHTML")


def reload_page() -> HttpResponse:
    """The whole page once more: what a fragment waited for has changed all of it."""
    return HttpResponseClientRefresh()


def _leave(request, response):
    """A redirect under htmx becomes a move of the browser, not a swap of the target page into a fragment."""
    login = resolve_url(settings.LOGIN_URL)
    if response.url.partition("?")[0] == login:
        return HttpResponseClientRedirect(response.url)
    return HttpResponseLocation(response.url)


def shaped(request, response) -> HttpResponse:
    """The answer to htmx: a redirect becomes a move of the browser, a fragment brings the messages."""
    if request.htmx.history_restore_request:
        return response
    if response.status_code in (301, 302, 303):
        moved = _leave(request, response)
        moved.cookies = response.cookies
        return moved
    _append_messages(request, response)
    return response


def _append_messages(request, response) -> None:
    is_html = response.headers.get("Content-Type", "").startswith("text/html")
    if response.streaming or not is_html or request.htmx.boosted or not get_messages(request):
        return
    context = {"oob": True, "messages": get_messages(request), **csrf(request)}
    response.write(render_to_string("components/messages.html", context))
