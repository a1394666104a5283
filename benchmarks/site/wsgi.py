import sys

from django.core.wsgi import get_wsgi_application

from zenpro_site.programs import SWITCH_INTERVAL

application = get_wsgi_application()
sys.setswitchinterval(SWITCH_INTERVAL)
