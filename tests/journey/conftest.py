import pytest

from .installation import Installation


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """A running ZenPro with its demo, shared by the tests of this folder."""
    installation = Installation(tmp_path_factory.mktemp("zenpro"))
    try:
        installation.up()
        yield installation
    finally:
        installation.close()
