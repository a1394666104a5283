from django.shortcuts import render

from orgs.access import org_view
from orgs.permissions import Permission


def create(request, **kwargs):
    return render(request, "base.html")


@org_view(Permission.ORGANIZATION_VIEW)
def home(request, **kwargs):
    return render(request, "base.html")


@org_view(Permission.MEMBER_VIEW)
def members(request, **kwargs):
    return render(request, "base.html")


@org_view(Permission.ORGANIZATION_CHANGE)
def settings(request, **kwargs):
    return render(request, "base.html")
