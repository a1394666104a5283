"""Console script `zenpro`: manage.py with the same commands, from any folder."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from zenpro_site import modes


def main() -> None:
    modes.restrict()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zenpro_site.settings")
    try:
        execute_from_command_line(["zenpro", *sys.argv[1:]])
    except ImproperlyConfigured as error:
        sys.exit(f"zenpro: {error}")


if __name__ == "__main__":
    main()
