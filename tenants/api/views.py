"""The document, for programs and for people."""

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from .document import document
from .reference import groups
from .samples import samples_of


@require_safe
def openapi(request):
    return JsonResponse(document())


@require_safe
@login_required
def docs(request):
    """One group of operations at a time; the first one when none is named."""
    found = groups(samples_of(request.user), settings.ZENPRO_URL)
    shown = next((group for group in found if group.slug == request.GET.get("group")), found[0])
    context = {"groups": found, "shown": shown, "site": settings.ZENPRO_URL}
    return render(request, "api/docs.html", context)
