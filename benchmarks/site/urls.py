from django.http import HttpResponse, JsonResponse
from django.urls import include, path

from orgs.users.models import User
from tenants.models import Tenant


def hello(request):
    """The least a view can do."""
    return HttpResponse("hello")


def guardian(request):
    """The same question put to guardian: one codename, one tenant."""
    user = User.objects.get(pk=request.GET["user"])
    tenant = Tenant(pk=request.GET["tenant"])
    return JsonResponse({"allowed": user.has_perm("tenants.view_template", tenant)})


urlpatterns = [path("hello", hello), path("guardian", guardian), path("", include("zenpro_site.urls"))]
