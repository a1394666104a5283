import shlex

import pytest

from tenants.hosting.elsewhere.server import environment_block
from tests.tenants.hosting.conftest import make_spec


@pytest.fixture
def spec(tmp_path):
    return make_spec(tmp_path, "https://pro.example.org")


def test_block_can_be_read_by_a_shell_and_leaves_the_store_alone(spec):
    block = environment_block(spec)
    read = dict(line.split("=", 1) for line in shlex.split(block.replace("\n", " ")))
    assert read["ZENML_SERVER_DEPLOYMENT_TYPE"] == "cloud"
    assert read["ZENML_SERVER_PRO_OAUTH2_CLIENT_SECRET"] == spec.oauth_secret
    assert read["ZENML_SERVER_PRO_ORGANIZATION_NAME"] == spec.organization_name
    assert not [name for name in read if "STORE" in name]
