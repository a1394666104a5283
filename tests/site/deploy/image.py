"""Settings of ZenPro in the image of these tests. Its pods have this machine's network, and the tenant's too."""

import os
import socket

from tenants.hosting.kubernetes import objects
from tenants.hosting.kubernetes.place import ClusterPlace
from zenpro_site.settings import *
from zenpro_site.settings import STORAGES

# Pages find their styles without the ten seconds in which those are compressed.
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
objects.PORT = int(os.environ["TESTS_TENANT_PORT"])
ClusterPlace.address = ClusterPlace.server_url  # there are no Services here
objects.SCRATCH = "/zenml/tmp"  # its environment lies below /tmp
_resolve = socket.getaddrinfo


def _as_browsers_do(host, *args, **kwargs):
    """*.localhost is this machine."""
    here = isinstance(host, str) and host.endswith(".localhost")
    return _resolve("127.0.0.1" if here else host, *args, **kwargs)


socket.getaddrinfo = _as_browsers_do
