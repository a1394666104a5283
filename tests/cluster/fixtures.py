"""For the conftest.py of tests that need a cluster."""

import pytest

from . import running_cluster


@pytest.fixture
def cluster(tmp_path):
    folder = tmp_path / "cluster"
    folder.mkdir()
    with running_cluster(folder) as running:
        yield running
