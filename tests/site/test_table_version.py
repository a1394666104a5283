"""A database of a version from before the first release is told apart, before anything in it is touched."""

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from zenpro_site import table_version
from zenpro_site.checkup import database
from zenpro_site.checkup.findings import Level

pytestmark = pytest.mark.django_db
GONE = ("tenants", "0005_tenant_disk")  # one of them


@pytest.fixture
def of_before():
    MigrationRecorder(connection).record_applied(*GONE)


def test_a_new_database_is_not_of_before():
    assert not table_version.is_of_before()
    assert table_version.migrations_waiting() == 0


def test_a_migration_that_is_gone_tells_it_apart(of_before):
    assert table_version.is_of_before()


def test_migrations_of_others_that_are_gone_tell_nothing():
    """Django's own apps and those of libraries squash theirs as well."""
    MigrationRecorder(connection).record_applied("auth", "0000_long_ago")
    MigrationRecorder(connection).record_applied("an_app_of_long_ago", "0001_initial")
    assert not table_version.is_of_before()


def test_migrate_refuses_it_and_changes_nothing(of_before):
    before = MigrationRecorder(connection).applied_migrations().keys()
    with pytest.raises(CommandError) as refused:
        call_command("migrate", verbosity=0, interactive=False)
    assert "was made by an earlier version of ZenPro and can't be upgraded. Start with an empty" in str(
        refused.value
    )
    assert MigrationRecorder(connection).applied_migrations().keys() == before


def test_the_doctor_names_it_and_what_to_do(of_before):
    found = database.check_database()[0]
    assert found.level == Level.PROBLEM
    assert "can't be upgraded" in found.text and "ZENPRO_DATA" in found.remedy
