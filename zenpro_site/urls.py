from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from . import views

handler400 = "zenpro_site.views.bad_request"
handler429 = "orgs.users.limits.too_many"  # allauth's; Django has none
urlpatterns = [
    path("", include("tenants.run_templates.pods.urls")),
    path("api/v1/", include("tenants.api.urls")),  # before what answers all of /api
    path("", include("tenants.moves.urls")),
    path("", include("tenants.control_plane.urls")),  # then: tenants ask at every request of theirs
    path("", views.home, name="home"),
    path("livez", views.livez, name="livez"),
    path("readyz", views.readyz, name="readyz"),
    path("theme/", views.theme, name="theme"),
    path("first-sign-in/<str:uid>/<str:token>/", views.first_sign_in, name="first_sign_in"),
    path(settings.ADMIN_URL, admin.site.urls),
    path("", include("orgs.users.urls")),
    path("accounts/", include("allauth.urls")),
    path("", include("orgs.invitations.urls")),
    path("o/", include("zenpro_site.pages.urls")),
    path("o/<slug:org>/teams/", include("orgs.teams.urls")),
    path("o/<slug:org>/roles/", include("orgs.roles.urls")),
    path("o/<slug:org>/audit/", include("orgs.audit.urls")),
    path("", include("tenants.run_templates.pages.urls")),
    path("", include("tenants.usage.urls")),
    path("", include("tenants.webhooks.urls")),
    path("", include("tenants.hosting.elsewhere.urls")),
    path("", include("tenants.hosting.kubernetes.urls")),
    path("", include("tenants.access.matrix.urls")),
    path("o/<slug:org>/t/", include("tenants.urls")),
    path("o/<slug:org>/", include("tenants.access.explain.urls")),
]
