from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.template import Context, Engine
from django.urls import include, path

from orgs.models import Organization
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


PLAIN = Engine().from_string(
    "<html><body><h1>{{ org.name }}</h1><p>{{ page.paginator.count }} members</p><table>{% for one in page %}"
    '<tr><td><a href="/o/{{ org.slug }}/members/{{ one.pk }}/">{{ one.user.name }}</a></td><td>{{ one.user.email }}'
    "</td><td>{{ one.role }}</td><td>{{ one.user.last_active_at|date }}</td></tr>{% endfor %}</table></body></html>"
)


@login_required
def hand_made(request, org):
    """A list of members as one writes it in ten minutes: no frame, no filters, no roles on tenants."""
    org = get_object_or_404(Organization, slug=org, memberships__user=request.user)
    people = org.memberships.select_related("user").order_by("user__name", "user__email")
    page = Paginator(people, 50).get_page(request.GET.get("page"))
    return HttpResponse(PLAIN.render(Context({"org": org, "page": page})))


urlpatterns = [
    path("hello", hello),
    path("guardian", guardian),
    path("hand-made/<slug:org>/", hand_made),
    path("", include("zenpro_site.urls")),
]
