"""Names are short and never a slug's; labels say whose object it is."""

import re
from uuid import uuid4

import pytest

from tenants.hosting.kubernetes import naming

from .made import NAME, TENANT_ID, deployment, stranger


def test_names_are_made_of_the_tenants_id():
    assert naming.name_of(TENANT_ID) == NAME
    assert naming.migration_of(TENANT_ID, "0.98.0") == f"{NAME}-migrate-0-98-0"


@pytest.mark.parametrize("version", ["0.98.0", "0.100.0rc1.post12.dev345"])
def test_names_are_labels_of_a_host(version):
    for name in (naming.name_of(uuid4()), naming.migration_of(uuid4(), version)):
        assert re.fullmatch(r"[a-z][a-z0-9-]{0,61}[a-z0-9]", name)


def test_a_migration_is_not_the_server():
    labels = naming.labels_of(TENANT_ID, "one", instance="another")
    assert labels[naming.INSTANCE] == "another" != naming.pods_of(TENANT_ID)[naming.INSTANCE]
    assert labels[naming.TENANT] == str(TENANT_ID)


@pytest.mark.parametrize(
    "found", [stranger(), {}, {"metadata": []}, {"metadata": {"labels": {naming.TENANT: ["a"]}}}]
)
def test_what_does_not_say_that_it_is_ours_is_someone_elses(found):
    assert naming.is_strange(found, TENANT_ID)


def test_what_says_so_is_ours_but_no_other_tenants():
    assert not naming.is_strange(deployment(), TENANT_ID)
    assert naming.is_strange(deployment(), uuid4())
