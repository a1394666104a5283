"""What homes of tenants are called in sentences."""

from tenants.models import Tenant

HOMES = {
    Tenant.Kind.LOCAL: "this machine",
    Tenant.Kind.KUBERNETES: "the Kubernetes cluster",
    Tenant.Kind.ELSEWHERE: "a server someone else runs",
}
IN_HOMES = {
    Tenant.Kind.LOCAL: "on this machine",
    Tenant.Kind.KUBERNETES: "in the Kubernetes cluster",
    Tenant.Kind.ELSEWHERE: "on a server someone else runs",
}


def home_words(kind: str) -> str:
    """As in “to this machine”."""
    return HOMES[Tenant.Kind(kind)]


def in_home(kind: str) -> str:
    """As in “it runs on this machine”."""
    return IN_HOMES[Tenant.Kind(kind)]
