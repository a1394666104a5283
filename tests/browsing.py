"""A person's browser on the test's server, and what is wrong with a page in it."""

import os
from pathlib import Path

from django.test import Client
from playwright.sync_api import expect

AXE = (Path(__file__).resolve().parent / "vendor" / "axe.min.js").read_text()
PATIENCE = 60_000  # milliseconds for what a page shows at once, unless the machine is busy
# What htmx has asked for or has not finished putting in; what asks every few seconds is never done.
UNDER_WAY = ".htmx-request:not([hx-trigger*='every']), .htmx-swapping, .htmx-settling, .htmx-added"
# Widths and colours a page is examined in: every width and every colour once.
LOOKS = [(1440, "light"), (390, "dark")]
# Only what is wrong is described in full, which takes a third of the time, and no style is fetched once more.
OPTIONS = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
    "preload": False,
}


def patient(make):
    """`make`, a browser's way to open a context or a page, but what it opens waits as long as a busy machine needs."""

    def opened(*args, **options):
        made = make(*args, **options)
        made.set_default_timeout(PATIENCE)
        return made

    return opened


def settled(page) -> None:
    """Wait until the page is loaded and htmx has finished with it: nothing moves the focus or replaces it any more.

    It says nothing of a page that is still to come: wait for what only that one has before.
    """
    page.wait_for_load_state()
    expect(page.locator(UNDER_WAY)).to_have_count(0)


def tab_to(page, locator) -> None:
    """Press Tab until the element has the focus, as somebody without a mouse does."""
    locator.wait_for(state="attached")
    settled(page)
    for _ in range(80):
        if locator.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never comes to {locator}.")


class Visits:
    """Pages in browsers of their own; `errors` is what their consoles said."""

    def __init__(self, browser, url: str):
        self.browser, self.url, self.contexts, self.errors = browser, url, [], []

    def open(self, path: str, user=None, width: int = 1440, scheme: str = "light", **options):
        """The page below the server's address, signed in as `user`. `options`: of the browser's context."""
        look = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
        look |= {"reduced_motion": "reduce", "bypass_csp": True}
        context = self.browser.new_context(**(look | options))
        self.contexts.append(context)
        if user:
            context.add_cookies([self._session(user)])
        page = context.new_page()
        page.on("console", self._said)
        page.goto(self.url + path)
        settled(page)
        return page

    def _session(self, user) -> dict:
        client = Client()
        client.force_login(user)
        return {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": self.url}

    def _said(self, message) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def end(self) -> None:
        for context in self.contexts:
            context.close()


def picture(page, name: str) -> None:
    """For those who want to look, in the folder that ZENPRO_SCREENSHOTS names."""
    if folder := os.environ.get("ZENPRO_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def violations(page) -> list[dict]:
    """The rules that axe finds broken on the page as it is, each with its `id` and `nodes`."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(f"{AXE};0")
    return page.evaluate("options => axe.run(document, options).then(found => found.violations)", OPTIONS)


def problems(page) -> list:
    """What axe finds, and how far the page is too wide: [(rule or "overflow", where or pixels)]."""
    settled(page)
    listed = [(rule["id"], rule["nodes"][0]["html"]) for rule in violations(page)]
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return listed + ([("overflow", wide)] if wide > 0 else [])
