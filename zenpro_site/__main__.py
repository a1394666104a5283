"""Console script `zenpro`: manage.py with the same commands, from any folder."""

import os
import sys

from django.core.management import execute_from_command_line

from zenpro_site import modes


def main() -> None:
    modes.restrict()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zenpro_site.settings")
    execute_from_command_line(["zenpro", *sys.argv[1:]])


if __name__ == "__main__":
    main()
