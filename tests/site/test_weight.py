"""What a first visit costs: everything a page loads, compressed as browsers get it by HTTPS, without the fonts."""

import gzip
import re
from pathlib import Path

import brotli
import django_htmx
import pytest
from django.conf import settings
from django.urls import reverse

from tests.guards.walk import all_pages
from tests.guards.world import World
from zenpro_site.static_files import OURS, slim

BUDGET = 40 * 1024
LINKED = re.compile(r'<(?:link rel="(?:stylesheet|icon)"|script)[^>]* (?:href|src)="/static/([^"]+)"')
SPRITE = re.compile(r'href="/static/(icons[^"#]*)#')


def files_of(body: str) -> set[str]:
    """Static files the page names: sheets, scripts, the favicon browsers take, the sprite of icons."""
    return {name for name in LINKED.findall(body) if name != "favicon.ico"} | set(SPRITE.findall(body))


def compressed(name: str) -> int:
    found = settings.BASE_DIR / "static" / name
    if not found.exists():
        found = Path(django_htmx.__file__).parent / "static" / name
    body = found.read_bytes()
    return len(brotli.compress(slim(body) if name.startswith(OURS) else body))


def weight(response) -> dict[str, int]:
    body = response.content
    sizes = {name: compressed(name) for name in files_of(body.decode())}
    return sizes | {"the page": len(gzip.compress(body, 6))}


@pytest.mark.parametrize("name", ["orgs:home", "orgs:members", "audit:list", "run_templates:run"])
def test_first_visit_stays_within_its_budget(name, db, as_user):
    world = World("Acme AI")
    page = next(page for page in all_pages() if page.name == name)
    client = as_user(world.admin)
    sizes = weight(client.get(page.path(world.values)))
    assert sum(sizes.values()) <= BUDGET, sizes


def test_sign_in_stays_within_its_budget(client, db):
    sizes = weight(client.get(reverse("account_login")))
    assert sum(sizes.values()) <= BUDGET, sizes
