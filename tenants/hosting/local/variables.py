"""The environment of a server process on this machine: variables of its own, and what of ours reaches it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from tenants.hosting.local.spec import LocalSpec
from tenants.hosting.pro_variables import pro_variables, server_variables

PASSED_ON = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "TZ")
CERTIFICATES = PASSED_ON[:3]  # paths
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
PLACEHOLDER = "zenpro-nobody"  # no server is ever called so ...
PLACEHOLDER_ID = UUID("7a656e70-726f-2d6e-6f62-6f6479000000")  # ... or has this id


SECRET = (
    "ZENML_SERVER_JWT_SECRET_KEY",
    "ZENML_SECRETS_STORE_ENCRYPTION_KEY",
    "ZENML_SERVER_PRO_OAUTH2_CLIENT_SECRET",
    *PROXIES,  # their addresses may hold a password
)


def environment(spec: LocalSpec, outer: Mapping[str, str]) -> dict[str, str]:
    """All variables of a tenant server in Pro mode (protocol.md section 2), secrets among them."""
    return passed_on(spec, outer) | process_variables(spec) | server_variables(spec) | pro_variables(spec)


COMMON = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONUNBUFFERED": "1",
    "ZENML_ANALYTICS_OPT_IN": "false",
    "ZENML_LOGGING_COLORS_DISABLED": "true",
    "ZENML_CONSOLE_LOGGING_FORMAT": "%(asctime)s %(levelname)s %(name)s: %(message)s",
    "ZENML_ENABLE_RICH_TRACEBACK": "false",
    "ZENML_STORE_TYPE": "sql",
}


def process_variables(spec: LocalSpec) -> dict[str, str]:
    return COMMON | {
        "HOME": str(spec.folder),
        "TMPDIR": str(spec.folder / "tmp"),
        "ZENML_CONFIG_PATH": str(spec.folder / "config"),
        "ZENML_LOCAL_STORES_PATH": str(spec.local_stores),
        "ZENML_STORE_URL": f"sqlite:///{spec.database}",
    }


def preloading_environment(version: str, outer: Mapping[str, str]) -> dict[str, str]:
    """Of the parent of servers: as theirs, with nothing in place of what differs from one to the other."""
    return nobodys_environment(version, outer, Path("/tmp") / PLACEHOLDER)  # noqa: S108 - of its own box


def nobodys_environment(version: str, outer: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Of a server that no tenant has, with this folder. No proxies: it asks nobody."""
    spec = LocalSpec(
        **dict.fromkeys(("server_url", "api_url", "dashboard_url"), f"http://{PLACEHOLDER}.invalid"),
        **dict.fromkeys(("workspace_name", "organization_name"), PLACEHOLDER),
        **dict.fromkeys(("oauth_secret", "jwt_secret", "encryption_key"), PLACEHOLDER * 3),
        **dict.fromkeys(("tenant_id", "organization_id"), PLACEHOLDER_ID),
        **dict.fromkeys(("folder", "local_stores"), folder),
        version=version,
        port=0,
    )
    passed = {name: outer[name] for name in PASSED_ON if outer.get(name)}
    return passed | process_variables(spec) | server_variables(spec) | pro_variables(spec)


def passed_on(spec: LocalSpec, outer: Mapping[str, str]) -> dict[str, str]:
    """Certificates and proxies of this machine; never through a proxy to the control plane itself."""
    found = {name: outer[name] for name in (*PASSED_ON, *PROXIES) if outer.get(name)}
    if not any(name in found for name in PROXIES):
        return found
    direct = [outer.get("NO_PROXY") or outer.get("no_proxy") or "", "localhost", "127.0.0.1"]
    direct.append(urlsplit(spec.api_url).hostname or "")
    return found | dict.fromkeys(("NO_PROXY", "no_proxy"), ",".join(filter(None, direct)))


def certificate_paths(variables: Mapping[str, str]) -> list[Path]:
    """Files and folders that the variables name, those that are there."""
    named = (Path(variables[name]) for name in CERTIFICATES if variables.get(name))
    return [path for path in named if path.exists()]


def parted(variables: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """(what the process begins with, what it is told once and in private)."""
    secrets = {name: value for name, value in variables.items() if name in SECRET}
    return {name: value for name, value in variables.items() if name not in secrets}, secrets
