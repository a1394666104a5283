"""Checks a server's health, and that it is the tenant's: another server could be listening at the address."""

import httpx

from tenants.hosting.answers import mapping
from tenants.hosting.base import ServerSpec, TenantError
from tenants.hosting.bounded import Deadline, TooMuch, fetch, json_of, make_http

TIMEOUT = 4.0  # seconds for both answers together, from the first byte to the last
LIMIT = 64 * 1024  # bytes of one answer; they have some hundred
FAILURES = (httpx.HTTPError, httpx.InvalidURL, TooMuch, TenantError, ValueError)


def ask(
    address: str, *, trust_env: bool = False, timeout: float = TIMEOUT
) -> tuple[httpx.Response, httpx.Response]:
    """What the server says of its health, and who it is. Raises FAILURES."""
    address = address.rstrip("/")
    with make_http(trust_env=trust_env) as http:
        deadline = Deadline(timeout)
        return (
            fetch(http, "GET", f"{address}/health", deadline, LIMIT),
            fetch(http, "GET", f"{address}/api/v1/info", deadline, LIMIT),
        )


def is_well(address: str, spec: ServerSpec, *, trust_env: bool = False) -> bool:
    """True when it answers and says that it is this tenant's. Takes at most TIMEOUT, never raises."""
    try:
        health, info = ask(address, trust_env=trust_env)
    except FAILURES:
        return False
    return health.is_success and is_ours(info, spec)


def is_ours(answer: httpx.Response, spec: ServerSpec) -> bool:
    """True when /info names this tenant."""
    info = said(answer)
    workspace = info.get("pro_workspace_id") or info.get("pro_tenant_id")  # the second until 0.75
    return workspace == str(spec.tenant_id)


def said(answer: httpx.Response) -> dict:
    """The object in an answer, {} when there is none."""
    try:
        return mapping(json_of(answer)) if answer.is_success else {}
    except TenantError:
        return {}
