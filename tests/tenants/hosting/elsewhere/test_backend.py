import shlex

import pytest

from tenants.hosting.base import ServerError, ServerStatus
from tenants.hosting.elsewhere.backend import EnrolledBackend, environment_block
from tests.tenants.hosting.conftest import make_spec


@pytest.fixture
def spec(tmp_path):
    return make_spec(tmp_path, "https://pro.example.org")


def test_nothing_is_started_or_stopped(spec):
    enrolled = EnrolledBackend()
    for action in (enrolled.start, enrolled.stop, enrolled.restart):
        with pytest.raises(ServerError, match="Someone else runs this server"):
            action(spec)
    with pytest.raises(ServerError):
        enrolled.free_port(set())


def test_server_that_does_not_answer(spec):
    enrolled = EnrolledBackend()
    assert not enrolled.healthy(spec)
    assert enrolled.state(spec).status == ServerStatus.ABSENT
    assert enrolled.explain_failure(spec) == f"{spec.server_url} does not answer as this tenant."


def test_block_can_be_read_by_a_shell_and_leaves_the_store_alone(spec):
    block = environment_block(spec)
    read = dict(line.split("=", 1) for line in shlex.split(block.replace("\n", " ")))
    assert read["ZENML_SERVER_DEPLOYMENT_TYPE"] == "cloud"
    assert read["ZENML_SERVER_PRO_OAUTH2_CLIENT_SECRET"] == spec.oauth_secret
    assert read["ZENML_SERVER_PRO_ORGANIZATION_NAME"] == spec.organization_name
    assert not [name for name in read if "STORE" in name]
