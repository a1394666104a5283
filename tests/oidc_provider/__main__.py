"""python -m tests.oidc_provider PORT CALLBACK: make the tables and one client, serve until killed."""

import os
import sys

import django
from django.core.management import call_command

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.oidc_provider.settings"
django.setup()

from allauth.idp.oidc.models import Client
from django.contrib.auth.hashers import make_password

port, callback = sys.argv[1:]
call_command("migrate", run_syncdb=True, verbosity=0)
Client.objects.create(
    id="zenpro",
    name="ZenPro",
    secret=make_password("client-secret"),
    scopes="openid\nprofile\nemail",
    redirect_uris=callback,
    skip_consent=True,
)
call_command("runserver", f"127.0.0.1:{port}", use_reloader=False, skip_checks=True)
