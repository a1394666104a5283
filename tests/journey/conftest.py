from pathlib import Path

import pytest

from .installation import Installation
from .projects import open_workshop


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """These tests build on each other: they run last and as written, however others are grouped by their browser."""
    here = Path(__file__).parent
    ours = [item for item in items if item.path.is_relative_to(here)]
    ours.sort(key=lambda item: (str(item.path), item.location[1]))
    items[:] = [item for item in items if not item.path.is_relative_to(here)] + ours


@pytest.fixture(scope="package")
def installed(tmp_path_factory):
    """A running ZenPro with its demo, shared by the tests of this folder. It ends with them: its servers cost time."""
    installation = Installation(tmp_path_factory.mktemp("zenpro"))
    try:
        installation.up()
        yield installation
    finally:
        installation.close()


@pytest.fixture(scope="package")
def workshop(installed, tmp_path_factory):
    """People with roles on the demo's tenant, who run projects there."""
    return open_workshop(installed, tmp_path_factory.mktemp("projects"))
