"""What ZenPro's account has to be allowed in the namespaces of tenants and of runs, and what of it it is not."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from tenants.hosting.answers import mapping
from tenants.hosting.kubernetes.cluster import Cluster
from tenants.hosting.kubernetes.kinds import (
    OWNED,
    AccessReview,
    Event,
    Job,
    NetworkPolicy,
    Pod,
    Secret,
    api_of,
)

CHANGES = ("get", "list", "create", "patch", "delete")
POLICY = ("get", "create", "patch")  # there is one, which stays


@dataclass(frozen=True, slots=True)
class NeededRight:
    """One verb on one resource, as a rule of a Role has it."""

    group: str
    resource: str
    verb: str
    below: str = ""  # such as the log of a pod

    @property
    def name(self) -> str:
        return f"{self.resource}/{self.below}" if self.below else self.resource


def needed() -> list[NeededRight]:
    """Everything the backend does, and nothing else. docs/operating.md has the Role."""
    found = [NeededRight(*api_of(kind), verb) for kind in OWNED for verb in CHANGES]
    found += [NeededRight(*api_of(kind), "list") for kind in (Pod, Event)]
    return [*found, NeededRight(*api_of(Pod), "get", "log")]


def needed_for_runs() -> list[NeededRight]:
    """Everything the runner does in the namespace of runs, and nothing else. docs/operating.md has this Role as well."""
    found = [NeededRight(*api_of(kind), verb) for kind in (Job, Secret) for verb in CHANGES]
    found += [NeededRight(*api_of(NetworkPolicy), verb) for verb in POLICY]
    found += [NeededRight(*api_of(Pod), verb) for verb in ("list", "delete")]
    return [*found, NeededRight(*api_of(Event), "list"), NeededRight(*api_of(Pod), "get", "log")]


def missing(cluster: Cluster, wanted: list[NeededRight]) -> list[NeededRight]:
    """Asks the cluster about each. Raises SupervisorGone and ClusterRefused."""
    return [right for right in wanted if not _is_given(cluster, right)]


def _is_given(cluster: Cluster, right: NeededRight) -> bool:
    asked = {
        "namespace": cluster.namespace,
        "group": right.group,
        "resource": right.resource,
        "subresource": right.below,
        "verb": right.verb,
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "metadata": {},
        "spec": {"resourceAttributes": asked},
    }
    answer = cluster.create(AccessReview(review))
    return mapping(answer.get("status")).get("allowed") is True


def words_of(rights: list[NeededRight]) -> str:
    """ "secrets (create, patch), pods/log (get)"."""
    grouped = groupby(rights, key=lambda right: right.name)
    return ", ".join(f"{name} ({', '.join(right.verb for right in found)})" for name, found in grouped)
