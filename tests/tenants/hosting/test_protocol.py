"""Every backend, and the double of one, is what the protocol says."""

import inspect

import pytest

from tenants.hosting.backends import KINDS, backend_for
from tenants.hosting.base import SERVER_STEPS, Hosting
from tenants.hosting.elsewhere.hosting import ElsewhereHosting
from tenants.hosting.kubernetes.hosting import KubernetesHosting
from tenants.hosting.local.hosting import LocalHosting
from tenants.models import Tenant

from .fakes import FakeHosting

BACKENDS = [LocalHosting, ElsewhereHosting, KubernetesHosting, FakeHosting]


def methods(kind) -> dict[str, inspect.Signature]:
    found = inspect.getmembers(kind, inspect.isfunction)
    return {name: inspect.signature(one) for name, one in found if not name.startswith("_")}


def shape(signature: inspect.Signature) -> list[tuple]:
    return [(one.name, one.kind, one.default) for one in signature.parameters.values()]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backend_has_the_methods_of_the_protocol_and_no_others(backend):
    wanted, found = methods(Hosting), methods(backend)
    assert {name: shape(one) for name, one in found.items()} == {
        name: shape(one) for name, one in wanted.items()
    }


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backend_has_the_values_of_the_protocol(backend):
    assert set(Hosting.__annotations__) == {"steps"}
    assert isinstance(backend.steps, tuple)


@pytest.mark.parametrize("backend", [LocalHosting, KubernetesHosting, FakeHosting])
def test_a_start_ends_with_what_the_agent_sees(backend):
    assert backend.steps[-len(SERVER_STEPS) :] == SERVER_STEPS


def test_every_kind_of_tenant_has_its_backend():
    assert list(KINDS) == list(Tenant.Kind)
    chosen = {kind: type(backend_for(Tenant(kind=kind))) for kind in KINDS}
    assert chosen == {
        "local": LocalHosting,
        "elsewhere": ElsewhereHosting,
        "kubernetes": KubernetesHosting,
    }
