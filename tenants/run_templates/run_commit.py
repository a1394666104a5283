"""The commit that ZenML itself recorded of a run, and where it can be fetched from.

Wire, as ZenML 0.98.0 has it (zenml.models.v2.core: code_reference, code_repository): a run's resources.code_reference
has body.{commit, code_repository}, the repository's config comes with itself alone, in metadata. What a config holds
beside the address, a token for example, is neither shown nor used.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tenants.hosting.base import TenantError
from tenants.run_templates.document.schema import mapping
from tenants.run_templates.engine.code import CodeError
from tenants.run_templates.engine.git import check_address
from tenants.runs.client import TenantClient

COMMIT = re.compile(r"[0-9a-f]{40}")
# Where a repository is, by the names in its config: ZenML's own kinds.
KINDS = (("owner", "repository", "github.com"), ("group", "project", "gitlab.com"))


@dataclass(frozen=True)
class RunCommit:
    """`url` as GitForm wants it."""

    url: str
    commit: str


def commit_of(reference: Mapping[str, Any], client: TenantClient) -> RunCommit | None:
    """Of a run's code_reference; None where it leads nowhere. Asks the tenant once. Never raises for what it says."""
    body = mapping(reference.get("body"))
    commit, repository = body.get("commit"), mapping(body.get("code_repository")).get("id")
    if not (isinstance(commit, str) and COMMIT.fullmatch(commit) and isinstance(repository, str)):
        return None
    try:
        found = client.code_repository(repository)
    except TenantError:
        return None
    url = _address(mapping(mapping(found.get("metadata")).get("config")))
    return RunCommit(url, commit) if url else None


def _address(config: Mapping[str, Any]) -> str:
    """The first that can be fetched from; "" when none can."""
    addresses = [_built(config, *kind) for kind in KINDS] + [config.get("url")]
    return next((one for one in addresses if isinstance(one, str) and _is_address(one)), "")


def _built(config: Mapping[str, Any], above: str, name: str, host: str) -> str:
    parts = [config.get("host") or host, config.get(above), config.get(name)]
    texts = [part.strip("/") for part in parts if isinstance(part, str)]
    return f"https://{'/'.join(texts)}" if len(texts) == len(parts) else ""


def _is_address(url: str) -> bool:
    try:
        check_address(url)
    except CodeError:
        return False
    return True
