"""The programs that make up a running ZenPro: web and agent, under one supervisor."""

import os
import sys
from pathlib import Path

from django.conf import settings

from tenants.hosting.local.supervisor import Program
from zenpro_site.common import modes
from zenpro_site.common.addresses import authority

GIVEN = {"DJANGO_SETTINGS_MODULE", "ZENPRO_DATA_FILE", "ZENPRO_URL_FILE"}  # said in clear below
WEB_THREADS = 38  # tenants call us back while we call them, so a thread must always be free
# Seconds until a busy thread lets another one on: a tenant's question takes 1 ms, and Python's own 5 ms is what it
# would wait behind someone's page, several times over.
SWITCH_INTERVAL = 0.0005
# Loaded once, before the workers: after a reload new ones answer at once, while servers wait only 4 s.
SERVING = ["--no-control-socket", "--preload", "--worker-class", "gthread", "--workers", "2"]
SERVING += ["--threads", str(WEB_THREADS), "--keep-alive", "75", "--timeout", "60"]


def environment(url: str) -> dict[str, str]:
    """Ours, with the address that was asked for."""
    ours = {key: value for key, value in os.environ.items() if key not in GIVEN}
    fixed = {
        "DJANGO_SETTINGS_MODULE": "zenpro_site.settings",
        "ZENPRO_DATA": str(settings.ZENPRO_DATA),
        "ZENPRO_URL": url,
        "PYTHONUNBUFFERED": "1",
    }
    return ours | fixed


def serving(host: str, port: int) -> list[str]:
    """The command of the web process, whoever starts it: `zenpro up`, or `zenpro serve` in a container."""
    gunicorn = [sys.executable, "-m", "gunicorn", "zenpro_site.wsgi", *SERVING, "--graceful-timeout", "20"]
    return [*gunicorn, "--bind", authority(host, port), "--umask", f"{modes.UMASK:#o}"]


def web(host: str, port: int, url: str) -> Program:
    return Program(
        name="web",
        command=serving(host, port),
        env=environment(url),
        cwd=Path(settings.BASE_DIR),
        startsecs=2,
        startretries=20,
        stopwaitsecs=25,
        priority=1,
        host=host,
        port=port,
    )


def agent(url: str) -> Program:
    return Program(
        name="agent",
        command=[sys.executable, "-m", "zenpro_site", "agent"],
        env=environment(url),
        cwd=Path(settings.BASE_DIR),
        startretries=20,
        stopwaitsecs=15,
        priority=2,
    )
