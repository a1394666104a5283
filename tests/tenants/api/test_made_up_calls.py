"""Calls made up from the document, by a superuser and by a viewer: nothing breaks, nothing undocumented, nothing leaks."""

import logging
from contextlib import contextmanager
from uuid import UUID

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from factories import make_grant, make_key, make_member, make_template, make_tenant
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tenants.api import templates
from tenants.run_templates import actions as template_actions
from tests.guards.world import World
from tests.tenants.runs.fakes import FakeTenantClient, connect_to

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
FEW = settings(
    max_examples=3,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@schemathesis.serializer("application/gzip")
def packed(_, value) -> bytes:
    """Whatever was made up: bytes that are no archive."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


def values_of(world) -> dict:
    names = {"organization": "org", "member": "membership"}
    found = {name: world.values[other] for name, other in names.items()}
    return {**world.values, **found, "token": make_key(world.admin).pk, "integration": "s3"}


@contextmanager
def nothing_stays():
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture
def worlds(db, monkeypatch):
    """Acme with a Viewer who sees one tenant of two, and Globex with everything of its own."""
    for module in (template_actions, templates):
        monkeypatch.setattr(module, "connect", connect_to(FakeTenantClient()))
    logging.disable(logging.CRITICAL)
    yield World("Acme AI"), World("Globex")
    logging.disable(logging.NOTSET)


@pytest.fixture
def schema(db):
    """Requests use the connection of the test, as those of Django's own client do."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield schemathesis.openapi.from_wsgi("/api/v1/openapi.json", get_wsgi_application())
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def sensible_or_not(operation):
    """Calls that keep to the document, and calls that do not."""
    kinds = [GenerationMode.POSITIVE]
    if operation.body or operation.query:
        kinds.append(GenerationMode.NEGATIVE)
    return st.one_of([operation.as_strategy(generation_mode=kind) for kind in kinds])


def made_up(schema, secret: str, values: list[dict], look=lambda answer: None) -> dict[int, int]:
    """Call every operation with bodies and queries of all sorts; paths lead to one of `values`. Status -> how often."""
    counted: dict[int, int] = {}
    headers = {"Authorization": f"Bearer {secret}"}

    def once(operation):
        @FEW
        @given(case=sensible_or_not(operation), known=st.sampled_from(values))
        def ask(case, known):
            real = {name: str(known[name]) for name in case.path_parameters or {}}
            case.path_parameters = real
            _name_real_things(case.body, known)
            with nothing_stays():
                answer = case.call(headers=headers)
            counted[answer.status_code] = counted.get(answer.status_code, 0) + 1
            case.validate_response(answer, checks=CHECKS)
            look(answer)

        ask()

    for operation in schema.get_all_operations():
        once(operation.ok())
    return counted


def _name_real_things(body, known: dict) -> None:
    """Ids in a body lead somewhere as well."""
    if isinstance(body, dict):
        for name in body.keys() & known.keys() & {"member", "team", "base"}:
            if isinstance(body[name], str) and _is_id(body[name]):
                body[name] = str(known[name if name != "base" else "role"])


def _is_id(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False


@pytest.mark.thorough
def test_superuser(schema, worlds, superuser):
    counted = made_up(schema, make_key(superuser).secret, [values_of(world) for world in worlds])
    assert counted[200] > 50 and counted[201] > 5 and counted[204] > 10


@pytest.mark.thorough
def test_viewer(schema, worlds):
    acme, globex = worlds
    viewer = make_member(acme.org, "viewer", name="Vera Viewer")
    make_grant(acme.tenant, viewer, "viewer")
    hidden = make_tenant(acme.org, "vault", state_reason="only for Admins")
    theirs, secret = make_template(hidden), make_grant(hidden, acme.admin, "admin")
    names = [
        values_of(acme),
        {**values_of(acme), "tenant": "vault", "template": theirs.pk},
        values_of(globex),
    ]
    unseen = {str(one) for one in (hidden.pk, "vault", "only for Admins", theirs.pk, secret.pk)}
    unseen |= {str(value) for name, value in values_of(globex).items() if name not in ("number", "index")}
    unseen |= {globex.person.email, globex.tenant.workspace_name, str(acme.invitation.pk), acme.key.prefix}
    unseen |= {str(acme.robot.membership.pk)}
    counted = made_up(
        schema,
        make_key(viewer).secret,
        names,
        lambda answer: _tells_nothing(answer.text, unseen, answer.request.url),
    )
    assert counted[200] > 20 and counted[403] > 20 and counted[404] > 20


def _tells_nothing(text: str, unseen: set, where: str) -> None:
    told = [one for one in unseen if one in text]
    assert not told, f"{where} tells {told}"
