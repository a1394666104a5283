"""What leaves for a browser of artifacts, and under which policy; the server is a fake."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from uuid import uuid4

import pytest
from django.urls import reverse
from factories import make_grant

from tenants.hosting.base import TenantNotFound, TenantRefused, TenantUnreachable
from tenants.runs import run_context
from tenants.runs.artifact_places import is_away
from tenants.runs.artifact_views import unlinked
from tests.tenants.runs.fakes import CUSTOMERS, RUN_ID

pytestmark = pytest.mark.any_database

PICTURE = b"\x89PNG\r\n\x1a\n" + b"\x00" * 20
HTML = "<h1>Report</h1><LINK rel=preconnect href=//evil.test><linked>"


def address(tenant, name="artifact_frame", artifact=CUSTOMERS, *more):
    more = more or ((0,) if name == "artifact_frame" else ())
    return reverse(f"tenants:{name}", args=[tenant.organization.slug, tenant.slug, RUN_ID, artifact, *more])


@pytest.fixture
def browser_of(as_user, member, tenant):
    make_grant(tenant, member, "viewer")
    return as_user(member)


@pytest.fixture
def page(browser_of, tenant):
    """page(): the artifacts of the run, with the first one open."""

    def get(**query):
        where = reverse("tenants:run_detail", args=[tenant.organization.slug, tenant.slug, RUN_ID])
        return browser_of.get(where, {"view": "artifacts", **query})

    return get


def policy(answer) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in answer["Content-Security-Policy"].split(";"))
    return {name: value for name, _, value in parts}


def test_html_has_no_origin_no_scripts_and_no_network(browser_of, server, tenant):
    server.show("html", HTML)
    answer = browser_of.get(address(tenant))
    rules = policy(answer)
    assert rules["sandbox"] == ""
    assert rules["default-src"] == "'none'"
    assert "script-src" not in rules
    assert rules["frame-ancestors"] == "'self'"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "SAMEORIGIN"
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer["X-DNS-Prefetch-Control"] == "off"
    assert answer.content.decode() == "<h1>Report</h1>&lt;LINK rel=preconnect href=//evil.test><linked>"


@pytest.mark.parametrize("name", ["a", "A", "area", "aReA"])
@pytest.mark.parametrize("end", [" ", "\n", "\f", "/", ">"])
def test_a_link_is_text(name, end):
    assert unlinked(f"<{name}{end}href=x>here</{name}>") == f"<span{end}href=x>here</span>"
    assert unlinked("<abbr>a</abbr> <article>") == "<abbr>a</abbr> <article>"


PROBE = "https://evil.test"
WAYS_OUT = {
    "srcdoc": f'<iframe srcdoc="&lt;a href={PROBE}&gt;x&lt;/a&gt;"></iframe>',
    "srcdoc in capitals": f"<IFRAME\nsrcdoc='&#60;a href={PROBE}>x'>",
    "frame": f'<frameset><frame src="{PROBE}"></frameset>',
    "base": f'<base href="{PROBE}" target="_top">',
    "refresh": f'<meta http-equiv="refresh" content="0; url={PROBE}">',
    "prefetch": '<meta http-equiv="x-dns-prefetch-control" content="on">',
    "object": f'<object data="{PROBE}"></object>',
    "embed": f'<embed src="{PROBE}">',
    "form": f'<form action="{PROBE}"><button>Send</button></form>',
    "svg": f'<svg><a xlink:href="{PROBE}"><text>x</text></a></svg>',
    "ping": f'<a ping="{PROBE}" href="#">x</a>',
    "map": f'<map><area href="{PROBE}"></map>',
    "math": f'<math href="{PROBE}"><mtext>x</mtext></math>',
    "fenced": "<fencedframe></fencedframe>",
}


class Opened(HTMLParser):
    """The names of the elements that a browser opens."""

    def __init__(self, html):
        super().__init__()
        self.names = set()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)


@pytest.mark.parametrize("way", WAYS_OUT)
def test_what_leads_elsewhere_is_no_such_element(way):
    """The policy and the sandbox stop most of these already; nothing of them is left for a browser to decide."""
    harmless = {"span", "svg", "text", "map", "mtext", "frameset", "button"}
    assert Opened(unlinked(WAYS_OUT[way])).names <= harmless


def test_a_frame_that_is_opened_in_a_tab_leads_to_its_page(browser_of, server, tenant):
    server.show("html", HTML)
    answer = browser_of.get(address(tenant), headers={"Sec-Fetch-Dest": "document"})
    assert answer.status_code == 302
    assert answer.url.endswith(f"/runs/{RUN_ID}/?view=artifacts&artifact={CUSTOMERS}")


def test_a_picture_is_one_of_its_own_kind(browser_of, server, tenant):
    server.show("image", base64.b64encode(PICTURE).decode())
    answer = browser_of.get(address(tenant))
    assert (answer["Content-Type"], answer.content) == ("image/png", PICTURE)
    assert policy(answer)["sandbox"] == ""


@pytest.mark.parametrize("kind", ["image", "csv", "json", "markdown", "nonsense"])
def test_html_under_another_name_is_not_sent(browser_of, server, tenant, kind):
    server.show(kind, base64.b64encode(b"<script>alert(1)</script>").decode())
    answer = browser_of.get(address(tenant))
    assert (answer.status_code, b"alert(1)" in answer.content) == (404, False)


@pytest.mark.parametrize("error", [TenantRefused(403, "No."), TenantUnreachable("Away.")])
def test_no_answer_is_a_sentence_in_the_frame(browser_of, server, tenant, error):
    server.error = error
    answer = browser_of.get(address(tenant))
    assert answer.status_code == 503
    assert answer["Content-Type"].startswith("text/plain")
    assert policy(answer)["sandbox"] == ""


def test_what_is_not_there_is_not_found(browser_of, server, tenant):
    assert browser_of.get(address(tenant, "artifact_frame", uuid4())).status_code == 404
    assert browser_of.get(address(tenant, "artifact_frame", CUSTOMERS, 10**9)).status_code == 404
    assert server.calls == ["visualization"]


def test_outsiders_see_no_frame(outsider, as_user, server, tenant):
    assert as_user(outsider).get(address(tenant)).status_code == 404
    assert server.calls == []


# -- on the page


def test_the_page_may_hold_this_frame_and_no_other(page, server, tenant):
    server.show("html", HTML)
    answer = page()
    assert f'src="{address(tenant)}"' in answer.content.decode()
    assert policy(answer)["frame-src"] == f"testserver{address(tenant)}"
    assert "visualization" not in server.calls


def test_a_page_without_html_may_hold_none(page, server):
    server.show("markdown", "# Notes\n<script>alert(1)</script>")
    answer = page()
    assert policy(answer)["frame-src"] == "'none'"
    assert "# Notes\n&lt;script&gt;" in answer.content.decode()
    assert server.calls == ["run", "run_dag", "steps", "artifact_version", "visualization"]


def test_a_picture_is_on_the_page_when_it_is_one(page, server, tenant):
    server.show("image", base64.b64encode(PICTURE).decode())
    server.show("image", base64.b64encode(b"<html>").decode())
    assert f'<img src="{address(tenant)}"' in page().content.decode()
    second = page(show="1").content.decode()
    assert "<img src" not in second
    assert "This is not a picture that can be shown" in second


def test_a_table_says_what_it_leaves_out(page, server):
    server.show("csv", "a,b\n" + "1,<b>\n" * 60)
    server.show("csv", ",".join("x" * 60) + "\n" + ("1," * 59 + "2\n") * 60)
    text = page().content.decode()
    assert "<td>&lt;b&gt;</td>" in text
    assert re.search(r"<span>Not shown: \d+ rows</span>", text)
    text = page(show="1").content.decode()
    assert re.search(r"<span>Not shown: \d+ rows and \d+ columns</span>", text)


def test_json_is_pretty(page, server):
    server.show("json", '{"a": [1]}')
    assert "{\n  &quot;a&quot;: [" in page().content.decode()


@pytest.mark.parametrize("asked", ["7", "-1", "x", "9" * 5000])
def test_a_visualization_that_is_not_there_is_the_first(page, server, asked):
    server.show("markdown", "# Notes")
    assert "# Notes" in page(show=asked).content.decode()


def test_a_visualization_the_server_cannot_read_leaves_the_rest(page, server, monkeypatch):
    server.show("markdown", "# Notes")

    def refuse(version, index=0):
        raise TenantRefused(500, "File is outside of artifact store bounds.")

    monkeypatch.setattr(server, "visualization", refuse)
    text = page().content.decode()
    assert "outside of artifact store bounds" in text
    assert "BuiltInContainerMaterializer" in text


# -- downloads


def test_a_download_is_an_attachment_and_nothing_else(browser_of, server, tenant):
    answer = browser_of.get(address(tenant, "artifact_download"))
    assert b"".join(answer.streaming_content) == b"\x1f\x8bpacked"
    assert answer["Content-Disposition"] == 'attachment; filename="customers-1.tar.gz"'
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Length"] == "8"
    assert policy(answer)["sandbox"] == ""
    assert server.calls == ["artifact_version", "artifact_data"]


def test_what_the_store_no_longer_has_is_said_on_the_page(browser_of, server, tenant, monkeypatch):
    def gone(version):
        raise TenantNotFound("The artifact URI '/x' does not exist.")

    monkeypatch.setattr(server, "artifact_data", gone)
    answer = browser_of.get(address(tenant, "artifact_download"), follow=True)
    assert "download" not in answer.request["PATH_INFO"]
    said = answer.content.decode()
    assert "This artifact can&#x27;t be downloaded: This artifact lies on the machine" in said
    assert "The server says: The artifact URI" in said


def test_no_answer_to_a_download_is_a_sentence_on_the_page(browser_of, server, tenant):
    server.error = TenantUnreachable("Away.")
    answer = browser_of.get(address(tenant, "artifact_download"), follow=True)
    assert answer.redirect_chain[0][0].endswith(f"?view=artifacts&artifact={CUSTOMERS}")
    assert "can&#x27;t be downloaded" in answer.content.decode()


def test_what_lies_on_another_machine_is_said_in_its_place(page, server, tenant, monkeypatch, tmp_path):
    stores = tmp_path / "stores"
    stores.mkdir()
    monkeypatch.setattr(run_context, "stores_here", lambda tenant: stores)
    server.show("markdown", "# Notes")
    text = page().content.decode()
    assert "lies on the machine that ran the step (/srv/zenml/stores/" in text
    assert address(tenant, "artifact_download") not in text and "# Notes" not in text
    monkeypatch.setattr(run_context, "stores_here", lambda tenant: Path("/srv/zenml/stores"))
    text = page().content.decode()
    assert "lies on the machine" not in text and address(tenant, "artifact_download") in text


@pytest.mark.parametrize(
    ("uri", "stores", "failed", "away"),
    [
        ("/home/eve/store/x", "/srv/stores", False, True),
        ("file:///home/eve/store/x", "/srv/stores", False, True),
        ("C:\\Users\\eve\\x", "/srv/stores", False, True),
        ("/srv/stores/a/x", "/srv/stores", True, False),
        ("/srv/stores/../other/x", "/srv/stores", False, True),
        ("s3://bucket/x", "/srv/stores", True, False),
        ("/home/eve/store/x", "", True, True),
        ("/home/eve/store/x", "", False, False),
        ("", "", True, False),
    ],
)
def test_where_an_artifact_lies(uri, stores, failed, away):
    assert is_away(uri, Path(stores) if stores else None, failed) is away


def test_outsiders_download_nothing(outsider, as_user, server, tenant):
    assert as_user(outsider).get(address(tenant, "artifact_download")).status_code == 404
    assert server.calls == []
