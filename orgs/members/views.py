from django.contrib import messages
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from orgs.access.gate import org_view
from orgs.permissions import Permission
from zenpro_site.common.htmx import render_partial
from zenpro_site.common.refusals import Refused

from . import actions


@require_http_methods(["GET", "HEAD", "POST"])
@org_view(Permission.ORGANIZATION_VIEW)
def leave(request):
    refused = "" if request.membership else f"You are not a member of {request.org}."
    if request.method == "POST" and not refused:
        try:
            actions.leave(membership=request.membership, by=request.actor)
        except Refused as reason:
            refused = str(reason)
        else:
            messages.success(request, f"You have left {request.org}.")
            return redirect("home")
    status = 409 if refused and request.method == "POST" else 200
    return render_partial(request, "members/leave.html#modal", {"refused": refused}, status=status)
