"""The environment variables that put an unmodified ZenML server into Pro mode (protocol.md section 2)."""

from __future__ import annotations

from tenants.hosting.base import ServerSpec

CONTROL_PLANE_TIMEOUT = 4  # seconds a tenant waits for us per question; clients retry after 30


def server_variables(spec: ServerSpec) -> dict[str, str]:
    return {
        "ZENML_SERVER_DEPLOYMENT_TYPE": "cloud",
        "ZENML_SERVER_SERVER_URL": spec.server_url,
        "ZENML_SERVER_JWT_SECRET_KEY": spec.jwt_secret,
        "ZENML_SERVER_ALLOW_LOCAL_FILE_ACCESS": "true",
        "ZENML_SECRETS_STORE_TYPE": "sql",
        "ZENML_SECRETS_STORE_ENCRYPTION_KEY": spec.encryption_key,
    }


def pro_variables(spec: ServerSpec) -> dict[str, str]:
    """Both names of the tenant: WORKSPACE since 0.80, TENANT before; the other one is ignored."""
    values = {
        "API_URL": spec.api_url,
        "DASHBOARD_URL": spec.dashboard_url,
        "OAUTH2_CLIENT_SECRET": spec.oauth_secret,
        "OAUTH2_AUDIENCE": spec.api_url,
        "ORGANIZATION_ID": str(spec.organization_id),
        "ORGANIZATION_NAME": spec.organization_name,
        "WORKSPACE_ID": str(spec.tenant_id),
        "WORKSPACE_NAME": spec.workspace_name,
        "TENANT_ID": str(spec.tenant_id),
        "TENANT_NAME": spec.workspace_name,
        "HTTP_TIMEOUT": str(CONTROL_PLANE_TIMEOUT),
    }
    return {f"ZENML_SERVER_PRO_{name}": value for name, value in values.items()}
