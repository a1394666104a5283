"""`zenpro serve`: the web alone, where something else starts the programs and looks after them."""

import os

from django.conf import settings
from django.core.management.base import BaseCommand

from zenpro_site import programs, static_files
from zenpro_site.management.commands.up import host, port


class Command(BaseCommand):
    help = (
        "Serve pages and API, without agent and supervisor, as in a container. `zenpro up` starts everything."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "--host",
            type=host,
            default="0.0.0.0",  # noqa: S104
            help="address to listen on (default: all)",
        )
        parser.add_argument("--port", type=port, default=8000, help="port to listen on (default 8000)")

    def handle(self, *, host, port, **options):
        """This process becomes the web process, so that signals reach it."""
        settings.ZENPRO_DATA.mkdir(parents=True, exist_ok=True, mode=0o700)  # a volume is empty at first
        static_files.collect()
        os.chdir(settings.BASE_DIR)
        command = programs.serving(host, port)
        os.execv(command[0], command)  # noqa: S606
