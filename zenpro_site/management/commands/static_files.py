"""`zenpro static_files`: for images, in which the files that browsers get are made once."""

from django.core.management.base import BaseCommand

from zenpro_site import static_files


class Command(BaseCommand):
    help = "Make the styles, scripts and pictures that the web process serves, unless they are there already."

    def handle(self, **options):
        static_files.collect()
