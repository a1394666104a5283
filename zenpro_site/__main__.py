"""Console script `zenpro`: manage.py with the same commands, from any folder."""

import os
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from zenpro_site.common import modes


def main() -> None:
    modes.restrict()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zenpro_site.settings")
    try:
        settings.is_overridden("SECRET_KEY")  # reads them all
    except ImproperlyConfigured as error:
        sys.exit(f"ZenPro cannot start: {error}")
    execute_from_command_line(["zenpro", *sys.argv[1:]])


if __name__ == "__main__":
    main()
