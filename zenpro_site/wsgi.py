import os
import sys

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from zenpro_site.common import modes
from zenpro_site.common.statements import limit_statements
from zenpro_site.programs import SWITCH_INTERVAL

modes.restrict()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zenpro_site.settings")
application = get_wsgi_application()
limit_statements(settings.ZENPRO_STATEMENT_TIMEOUT)
list(get_resolver().url_patterns)  # every view is loaded before the workers are forked
sys.setswitchinterval(SWITCH_INTERVAL)
