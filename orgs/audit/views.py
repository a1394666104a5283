from django.shortcuts import render

from orgs.access import org_view
from orgs.permissions import Permission


@org_view(Permission.AUDIT_VIEW)
def list(request, **kwargs):
    return render(request, "base.html")
