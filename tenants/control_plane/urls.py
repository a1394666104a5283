from django.urls import include, path

from tenants.control_plane import client_views, views
from tenants.credentials import device_views, key_views

app_name = "control_plane"
api = [
    path("auth/login", views.auth_login, name="auth_login"),
    path("users/authorize_server", views.authorize_server, name="authorize_server"),
    path("workspace_status", views.workspace_status, name="workspace_status"),
    path("tenant_status", views.workspace_status, name="tenant_status"),
    path("rbac/check_permissions", views.check_permissions, name="check_permissions"),
    path("rbac/allowed_resource_ids", views.allowed_resource_ids, name="allowed_resource_ids"),
    path("rbac/resource_members", views.resource_members, name="resource_members"),
    path("rbac/resources", views.resources, name="resources"),
    path(
        "organizations/<uuid:organization>/entitlement/<slug:feature>",
        views.entitlement,
        name="entitlement",
    ),
    path("usage-event", views.usage_event, name="usage_event"),
    path("auth/device_authorization", client_views.device_authorization, name="device_authorization"),
    path("workspaces", client_views.workspaces, name="api_workspaces"),
    path("workspaces/<uuid:workspace>", client_views.workspace, name="api_workspace"),
    path("tenants", client_views.workspaces, name="api_tenants"),
    path("tenants/<uuid:workspace>", client_views.workspace, name="api_tenant"),
    path("organizations", client_views.organizations, name="api_organizations"),
    path("organizations/<str:name>", client_views.organization, name="api_organization"),
    path("<path:rest>", views.missing, name="missing"),
]
accounts = [
    path("", key_views.account_list, name="account_list"),
    path("new/", key_views.account_create, name="account_create"),
    path("<uuid:account>/", key_views.account_detail, name="account_detail"),
    path("<uuid:account>/deactivate/", key_views.account_deactivate, name="account_deactivate"),
    path("<uuid:account>/activate/", key_views.account_activate, name="account_activate"),
    path("<uuid:account>/keys/<uuid:key>/rotate/", key_views.account_key_rotate, name="account_key_rotate"),
    path("<uuid:account>/keys/<uuid:key>/revoke/", key_views.account_key_revoke, name="account_key_revoke"),
]
urlpatterns = [
    # A server that someone else runs has an address of its own: clients keep one token for each address, and send a
    # server the token of the address that this server names (protocol §5).
    path("api/elsewhere/<uuid:home>/", include(api)),
    path("api/", include(api)),
    path("devices/verify", device_views.device_verify, name="device_verify"),
    path("settings/devices/", device_views.device_list, name="device_list"),
    path("settings/devices/<uuid:device>/sign-out/", device_views.device_sign_out, name="device_sign_out"),
    path("settings/tokens/", key_views.token_list, name="token_list"),
    path("settings/tokens/<uuid:key>/rotate/", key_views.token_rotate, name="token_rotate"),
    path("settings/tokens/<uuid:key>/revoke/", key_views.token_revoke, name="token_revoke"),
    path("o/<slug:org>/service-accounts/", include(accounts)),
    path("workspaces/<slug:name>", views.workspace, name="workspace"),
    path("workspaces/<slug:name>/", views.workspace, name="workspace_root"),
    path("workspaces/<slug:name>/<path:rest>", views.workspace, name="workspace_page"),
    path("organizations/<uuid:organization>", views.organization, name="organization"),
    path("organizations/<uuid:organization>/", views.organization, name="organization_root"),
    path(
        "organizations/<uuid:organization>/tenants/<uuid:tenant>",
        views.organization_tenant,
        name="organization_tenant",
    ),
    path(
        "organizations/<uuid:organization>/tenants/<uuid:tenant>/",
        views.organization_tenant,
        name="organization_tenant_root",
    ),
    path(
        "organizations/<uuid:organization>/tenants/<uuid:tenant>/<path:rest>",
        views.organization_tenant,
        name="organization_tenant_page",
    ),
    path(
        "organizations/<uuid:organization>/<path:rest>",
        views.organization,
        name="organization_page",
    ),
]
