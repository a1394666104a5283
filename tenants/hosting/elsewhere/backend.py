"""A ZenML server that someone else runs: we know its address, hand out its variables and check its status."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

import httpx

from tenants.hosting.base import ServerError, ServerSpec, ServerState, ServerStatus, TenantError
from tenants.hosting.bounded import TooMuch
from tenants.hosting.health import FAILURES, ask, is_ours, is_well, said
from tenants.hosting.variables import pro_variables, server_variables

NOT_OURS = "Someone else runs this server; it can only be started and stopped where it runs."
OLD_LINES = "sends sign-ins to another address than its own: it runs with older lines."
OWN_BUSINESS = (
    "ZENML_SERVER_ALLOW_LOCAL_FILE_ACCESS",
    "ZENML_SECRETS_STORE_TYPE",
    "ZENML_SECRETS_STORE_ENCRYPTION_KEY",
)


class EnrolledBackend:
    """ServerBackend for servers elsewhere. Nothing is installed, and starting or stopping raises ServerError."""

    def install(self, version: str) -> None:
        pass

    def installed(self, version: str) -> bool:
        return True

    def known_versions(self) -> list[str]:
        return []

    def start(self, spec: ServerSpec) -> None:
        """Accepts a server that runs, because then there is nothing to do."""
        if not self.healthy(spec):
            raise ServerError(NOT_OURS)

    def stop(self, spec: ServerSpec) -> None:
        raise ServerError(NOT_OURS)

    def restart(self, spec: ServerSpec) -> None:
        raise ServerError(NOT_OURS)

    def state(self, spec: ServerSpec) -> ServerState:
        return ServerState(ServerStatus.RUNNING if self.healthy(spec) else ServerStatus.ABSENT)

    def cpu_seconds(self, spec: ServerSpec) -> float:
        """Unknown here: the server runs on another machine."""
        return 0.0

    def healthy(self, spec: ServerSpec) -> bool:
        """Asks at the public address, through this machine's proxy where there is one."""
        return is_well(spec.server_url, spec, trust_env=True)

    def has_data(self, spec: ServerSpec) -> bool:
        """Its data is someone else's business."""
        return True

    def tail_log(self, spec: ServerSpec, lines: int = 100) -> list[str]:
        return []

    def remove(self, spec: ServerSpec) -> None:
        """There is nothing of ours to remove."""

    def free_port(self, taken: set[int]) -> int:
        raise ServerError(NOT_OURS)

    def explain_failure(self, spec: ServerSpec) -> str:
        return "" if self.healthy(spec) else f"{spec.server_url} does not answer as this tenant."


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
