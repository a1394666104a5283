"""A run in a real browser: its graph is moved and enlarged, and how it looks."""

import re
from datetime import UTC, datetime

import pytest
from django.urls import reverse
from factories import make_grant, make_member, make_org, make_tenant
from playwright.sync_api import expect

from tenants.runs.client import LogLine
from tests.browsing import LOOKS, picture, problems, settled
from tests.tenants.runs.fakes import PROJECT, RUN_ID

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
STATES = ["completed"] * 36 + ["failed"] + ["completed"] * 10 + ["stopped", "", ""]


@pytest.fixture
def world(transactional_db, server):
    org = make_org("Acme AI")
    owner = make_member(org, "admin", name="Ada Okafor")
    tenant = make_tenant(org, "production", name="production", project_id=PROJECT["id"])
    make_grant(tenant, owner, "admin", giver=owner)
    return reverse("tenants:run_detail", args=[org.slug, tenant.slug, RUN_ID]), owner


def scrolled(page, place="#graph"):
    return page.locator(place).evaluate("e => [e.scrollLeft, e.scrollTop]")


def in_sight(page, place, inner) -> bool:
    return page.evaluate(
        """([place, inner]) => {
          const [a, b] = [place, inner].map((one) => document.querySelector(one).getBoundingClientRect());
          return b.left >= a.left && b.right <= a.right && b.top >= a.top && b.bottom <= a.bottom;
        }""",
        [place, inner],
    )


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_a_wide_run_is_in_order(visits, world, server, width, scheme):
    """The graph, the list and the log go to the step that failed."""
    failed = server.wide(STATES)[36]
    server.logs[failed] = [LogLine(f"Fold 37, row {n}", 40 if n > 40 else 20, None) for n in range(1, 46)]
    page = visits.open(world[0], world[1], width, scheme)
    assert in_sight(page, "#graph", "#chosen-step")
    assert in_sight(page, "#steps-list", "#steps-list [aria-current]")
    assert problems(page) == []
    picture(page, f"wide-{scheme}-{width}")
    server.wide(["completed"] * 50)
    page.goto(f"{page.url}?step=make_folds")
    assert problems(page) == []
    picture(page, f"closed-{scheme}-{width}")
    page.goto(f"{page.url}&graph=all")
    assert problems(page) == []
    picture(page, f"all-{scheme}-{width}")
    assert visits.errors == []


def test_the_graph_is_enlarged_moved_and_stays_so(visits, world, server):
    server.wide(["completed"] * 20 + ["running"] + [""] * 280)
    page = visits.open(f"{world[0]}?graph=all", world[1])
    level, graph = page.locator("#zoom-level"), page.locator("#graph")
    assert in_sight(page, "#graph", "#chosen-step")
    page.get_by_role("button", name="Zoom in").click()
    expect(level).to_have_text("125 %")
    graph.focus()
    page.keyboard.press("0")
    expect(level).to_have_text("25 %")
    page.keyboard.press("+")
    graph.hover()
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    expect(level).to_have_text("85 %")
    before, box = scrolled(page), graph.bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + box["height"] - 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 90, box["y"] + box["height"] - 60, steps=3)
    page.mouse.up()
    assert scrolled(page) == [before[0] - 50, before[1]]
    page.evaluate("window.stayed = true")
    with page.expect_response(re.compile("graph=all")):  # the next look at the run
        pass
    settled(page)
    expect(level).to_have_text("85 %")
    assert scrolled(page) == [before[0] - 50, before[1]]
    assert page.evaluate("window.stayed")
    assert visits.errors == []


def test_a_group_is_opened_and_walked_by_keys(visits, world, server):
    server.wide(["completed"] * 50)
    page = visits.open(f"{world[0]}?step=make_folds", world[1])
    page.get_by_role("link", name="50 × train_fold 50 completed, open").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".cell")).to_have_count(50)
    expect(page.locator("#steps-list a[aria-expanded=true]")).to_have_count(1)
    page.get_by_role("link", name="9 train_fold_9,").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#log-h")).to_contain_text("train_fold_17")
    expect(page.locator("#chosen-step")).to_have_attribute("aria-label", re.compile("^17 train_fold_17"))
    page.get_by_role("link", name="Stop").click()
    expect(page.get_by_role("button", name="Stop run")).to_be_visible()
    assert problems(page) == []
    picture(page, "stop")


def test_without_scripts_the_graph_scrolls_and_links_work(visits, world, server):
    server.wide(STATES)
    page = visits.open(world[0], world[1], java_script_enabled=False)
    expect(page.locator(".zoom")).to_be_hidden()
    page.get_by_role("link", name="12 train_fold_12,").click()
    expect(page.locator("#log-h")).to_contain_text("train_fold_12")
    page.get_by_role("link", name="Next failed").click()
    expect(page.locator("#log-h")).to_contain_text("train_fold_37")
    page.get_by_role("link", name="All 54").click()
    expect(page.locator("svg.dag .node")).to_have_count(54)


def log_of(server, count):
    """The run is half way, and a step of it has so many lines."""
    server.half_way("train")
    step = next(node["id"] for node in server.dags[str(RUN_ID)]["nodes"] if node["name"] == "train")
    server.logs[step] = [
        LogLine(f"epoch {n}: loss {1 / n:.4f}", 40 if n % 100 == 0 else 20, datetime.now(UTC))
        for n in range(1, count + 1)
    ]
    return server.logs[step]


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_the_log_is_in_order(visits, world, server, width, scheme):
    log_of(server, 5000)
    page = visits.open(f"{world[0]}?q=epoch+499&line=4993#hit", world[1], width, scheme)
    assert in_sight(page, "#log-lines", "#hit")
    expect(page.get_by_text("5 of 11")).to_be_visible()
    assert problems(page) == []
    picture(page, f"log-{scheme}-{width}")
    page.goto(f"{page.url.partition('?')[0]}?level=error&wrap=off")
    assert problems(page) == []
    picture(page, f"errors-{scheme}-{width}")


def test_the_log_follows_unless_somebody_reads(visits, world, server):
    log = log_of(server, 900)
    page = visits.open(f"{world[0]}?step=train", world[1])
    follow, lines = page.get_by_role("button", name="Follow"), page.locator("#log-lines")
    expect(follow).to_have_attribute("aria-pressed", "true")
    page.evaluate("() => scrollTo(0, document.body.scrollHeight)")
    log.append(LogLine("epoch 901: at the end", 20, None))
    expect(page.get_by_text("epoch 901: at the end")).to_be_in_viewport()
    lines.evaluate("log => { log.scrollTop = 4000 }")
    expect(follow).to_have_attribute("aria-pressed", "false")
    log.append(LogLine("epoch 902: unseen", 20, None))
    expect(page.get_by_text("epoch 902: unseen")).to_be_attached()
    expect(lines).to_have_js_property("scrollTop", 4000)
    follow.click()
    expect(page.get_by_text("epoch 902: unseen")).to_be_in_viewport()
    assert visits.errors == []


def test_a_line_has_an_address(visits, world, server):
    log_of(server, 50_000)
    page = visits.open(f"{world[0]}?step=train#L120", world[1])
    expect(page).to_have_url(re.compile(r"line=120#L120$"))
    expect(page.locator("#L120")).to_be_in_viewport()
    expect(page.locator("#L120")).to_have_class(re.compile("current"))
    page.locator("#L130 a").click()
    expect(page).to_have_url(re.compile(r"line=130#L130$"))
    expect(page.locator("#L130")).to_have_class(re.compile("current"))


def test_the_log_needs_no_scripts(visits, world, server):
    log_of(server, 5000)
    page = visits.open(f"{world[0]}?step=train", world[1], java_script_enabled=False)
    page.get_by_label("Search the log").fill("epoch 4200")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 of 1", exact=True)).to_be_visible()
    expect(page.locator("#hit mark")).to_have_text("epoch 4200")
    page.get_by_role("link", name="Errors").click()
    expect(page.locator("#log-lines li")).to_have_count(50)
    page.goto(f"{page.url.partition('?')[0]}?step=train")
    page.get_by_role("link", name="Earlier lines").click()
    expect(page.locator("#L4001")).to_be_attached()
