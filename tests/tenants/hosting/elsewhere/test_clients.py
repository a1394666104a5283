"""What the unmodified client sends to a server that lies about its control plane. Slow: the client is installed."""

import re

import pytest
from django.conf import settings
from factories import make_grant, make_key, make_member, make_org, make_tenant

from orgs.users.models import Actor
from tenants.credentials.models import AccessToken
from tenants.hosting.backends import api_url_of
from tenants.hosting.elsewhere.actions import enroll
from tenants.models import Tenant
from tests.tenants.hosting.conftest import VERSION, backend

from .clients import Machine, Stub

pytestmark = [pytest.mark.zenml, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def stubs():
    made = [Stub(), Stub()]
    yield made
    for stub in made:
        stub.close()


@pytest.fixture
def world(live_server, settings, stubs):
    """(hosted tenant, tenant elsewhere, person on both). Both servers are stubs that keep what they get."""
    settings.ZENPRO_URL, settings.ZENPRO_API_URL = live_server.url, f"{live_server.url}/api"
    org = make_org("Acme AI")
    ada = make_member(org, "admin", name="Ada Okafor")
    ours, theirs = stubs
    hosted = make_tenant(org, "production", server_url=ours.url)
    elsewhere = enroll(
        org=org, name="theirs", slug="theirs", version=VERSION, server_url=theirs.url, by=Actor(ada)
    )
    Tenant.objects.filter(pk=elsewhere.pk).update(status="available")
    make_grant(hosted, ada, "admin")
    ours.is_server_of(hosted, settings.ZENPRO_API_URL)
    return hosted, elsewhere, ada


@pytest.fixture
def machine(zen_data, tmp_path):
    return Machine(backend(zen_data).environments.python(VERSION), tmp_path)


def opened_by(bearers) -> set:
    """Tenants that any of these opens."""
    tokens = [AccessToken.objects.valid(bearer).first() for bearer in bearers]
    return {tenant.slug for token in tokens if token for tenant in token.opened(Tenant.objects.all())}


def test_it_gets_what_opens_it_and_nothing_else(world, stubs, machine):
    hosted, elsewhere, ada = world
    ours, theirs = stubs
    machine.log_in("--pro", "--pro-api-url", settings.ZENPRO_API_URL, person=ada, tenant=hosted)
    assert opened_by(ours.got) == {"production"}, "Bearers do arrive at servers."
    check_that_all_are_listed(machine, hosted, ada)

    theirs.is_server_of(elsewhere, settings.ZENPRO_API_URL)
    assert "have access to it" in machine.run("login", theirs.url)
    for name in (elsewhere.workspace_name, str(elsewhere.pk)):
        machine.run("login", name, "--pro-api-url", settings.ZENPRO_API_URL)
    assert theirs.got == set()

    theirs.is_server_of(elsewhere, api_url_of(elsewhere))
    machine.log_in(theirs.url, person=ada, tenant=elsewhere)
    assert opened_by(theirs.got) == {"theirs"}
    assert opened_by(machine.tokens.values()) == {"theirs"}, "The client keeps one sign-in at a time."

    theirs.is_server_of(elsewhere, settings.ZENPRO_API_URL)  # it lies from now on
    machine.run("stack", "list")
    machine.run("login", theirs.url)
    assert opened_by(theirs.got) == {"theirs"}


def check_that_all_are_listed(machine, hosted, ada):
    """The client asks for twenty and never for more."""
    for number in range(22):
        make_grant(
            make_tenant(hosted.organization, f"lab-{number:02}", workspace_name=f"lab-{number:02}"), ada
        )
    shown = machine.run("server", "list", "--pro-api-url", settings.ZENPRO_API_URL)
    assert {f"lab-{number:02}" for number in range(22)} <= set(re.findall(r"lab-\d\d", shown)), shown
    hosted.organization.tenants.filter(slug__startswith="lab-").delete()


def test_a_script_with_a_key_sends_it_a_token_of_its_own(world, stubs, machine):
    """The key itself never leaves for the server, and a server that lies gets nothing."""
    _, elsewhere, ada = world
    theirs, key = stubs[1], make_key(ada)
    machine.env |= {
        "ZENML_STORE_URL": theirs.url,
        "ZENML_STORE_API_KEY": key.secret,
        "ZENML_PRO_API_URL": api_url_of(elsewhere),
    }
    theirs.is_server_of(elsewhere, settings.ZENPRO_API_URL)
    machine.run("stack", "list")
    theirs.info["deployment_type"] = "other"
    machine.run("stack", "list")
    assert theirs.got == set()
    theirs.is_server_of(elsewhere, api_url_of(elsewhere))
    machine.run("stack", "list")
    assert opened_by(theirs.got) == {"theirs"}
    assert key.secret not in theirs.got
