"""Django's `migrate`, which refuses a database that it would take for up to date and break."""

from django.core.management.base import CommandError
from django.core.management.commands import migrate

from zenpro_site import table_version


class Command(migrate.Command):
    def handle(self, *args, **options):
        if table_version.is_of_before():
            raise CommandError(f"{table_version.words_of_before()} {table_version.REMEDY}")
        return super().handle(*args, **options)
