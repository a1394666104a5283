"""The notice about isolation as a browser shows it."""

import os
from pathlib import Path

import pytest
from factories import make_org, make_tenant
from playwright.sync_api import expect

from tenants.hosting.local import box
from tests.browsing import LOOKS, problems

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PICTURES = os.environ.get("PICTURES")  # a folder to look at them
WEAK = box.Isolation(
    box.IsolationKind.LANDLOCK,
    "Tenants' files are isolated by Landlock (version 2); processes are not.",
    "Programs see the names and command lines of other processes, file modes can be changed.",
    "Bubblewrap was refused (No permissions to create a new namespace). Allow user namespaces: "
    "`sysctl kernel.unprivileged_userns_clone=1` on Debian.",
)


@pytest.mark.parametrize("path", ["/o/acme/", "/admin/", "/welcome/"])
def test_nothing_is_wrong_with_the_notice(path, visits, superuser, monkeypatch):
    monkeypatch.setattr(box, "probe", lambda: WEAK)
    organization = make_org("Acme")
    make_tenant(organization, "forecast")
    for width, scheme in LOOKS:
        page = visits.open(path, superuser, width, scheme)
        if PICTURES:
            name = f"isolation{path.replace('/', '-')}{scheme}-{width}.png"
            page.screenshot(path=Path(PICTURES) / name, full_page=True)
        expect(page.get_by_text("isolated by Landlock")).to_be_visible()
        found = problems(page)
        assert path == "/admin/" or found == [], (width, scheme)
