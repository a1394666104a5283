"""A ZenML server that someone else runs: what it answers at its address, and the variables it has to run with."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

import httpx

from tenants.hosting.base import ServerSpec, TenantError
from tenants.hosting.bounded import TooMuch
from tenants.hosting.health import FAILURES, ask, is_ours, said
from tenants.hosting.pro_variables import pro_variables, server_variables

OLD_LINES = "sends sign-ins to another address than its own: it runs with older lines."
OWN_BUSINESS = (
    "ZENML_SERVER_ALLOW_LOCAL_FILE_ACCESS",
    "ZENML_SECRETS_STORE_TYPE",
    "ZENML_SECRETS_STORE_ENCRYPTION_KEY",
)


@dataclass(frozen=True, slots=True)
class Look:
    """What came of asking: `trouble` is a sentence for people, "" when it answered as this tenant."""

    trouble: str


def look(spec: ServerSpec) -> Look:
    """Check the server's status at its public address, through this machine's proxy if there is one.

    At most 4 s whatever it sends, follows no redirects, never raises.
    """
    try:
        health, info = ask(spec.server_url, trust_env=True)
    except httpx.TimeoutException:
        return Look(f"{spec.server_url} does not answer in time.")
    except (TooMuch, TenantError):
        return Look(f"What answers at {spec.server_url} is not a ZenML server.")
    except FAILURES as error:
        return Look(f"{spec.server_url} cannot be reached: {_words(error)}"[:300])
    if not health.is_success:
        return Look(f"{spec.server_url} answers with status {health.status_code}.")
    return Look(_who(info, spec))


def _who(answer: httpx.Response, spec: ServerSpec) -> str:
    if is_ours(answer, spec):
        return _sends_people_to(said(answer).get("pro_api_url"), spec)
    if "deployment_type" in said(answer):
        return f"{spec.server_url} is a ZenML server, but it does not run with the lines of this tenant."
    return f"What answers at {spec.server_url} is not a ZenML server."


def _sends_people_to(address, spec: ServerSpec) -> str:
    """Trouble when its clients would ask for their sign-ins, and send it those, of another address than its own."""
    if isinstance(address, str) and address.rstrip("/") == spec.api_url:
        return ""
    return f"{spec.server_url} {OLD_LINES}"


def _words(error: Exception) -> str:
    text = str(error).lower()
    if "certificate" in text or "ssl" in text:
        return "its certificate is not trusted here."
    if "name or service" in text or "name resolution" in text or "no address" in text:
        return "there is no such host."
    if "refused" in text:
        return "nothing is listening there."
    return "no connection."


def environment_block(spec: ServerSpec) -> str:
    """Lines for the environment of that server, for its administrator to copy. They contain its secrets."""
    wanted = server_variables(spec) | pro_variables(spec)
    return "\n".join(
        f"{name}={shlex.quote(value)}" for name, value in wanted.items() if name not in OWN_BUSINESS
    )
