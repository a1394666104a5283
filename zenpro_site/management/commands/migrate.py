"""Django's `migrate`, which refuses a database that it would take for up to date and break."""

from django.core.management.base import CommandError
from django.core.management.commands import migrate

from zenpro_site import table_version as schema


class Command(migrate.Command):
    def handle(self, *args, **options):
        if schema.is_of_before():
            raise CommandError(f"{schema.words_of_before()} {schema.REMEDY}")
        return super().handle(*args, **options)
