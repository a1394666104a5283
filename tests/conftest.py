import gc
import os
import shutil

import pytest
from django.core.cache import caches
from factories import make_member, make_org, make_user
from playwright.sync_api import expect

from tests.browsing import PATIENCE as BROWSER_PATIENCE
from tests.browsing import Visits, patient
from tests.emptying import quick
from tests.scheduling import ByFile

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # playwright's sync API runs a loop in the thread


QUICK = "not browser and not zenml"
# Seconds after which a test hangs, by its marker: several times what it takes on a busy machine.
LIMITS = {"zenml": 1200, "browser": 600, "thorough": 900}
# Without one of these fixtures, or its marker, no test reaches a database.
DATABASES = {"db", "transactional_db"}


def pytest_xdist_auto_num_workers(config):
    """All cores for the quick tests; one more process for the whole, as tests with real servers wait a third of their
    time; one process for what somebody picked."""
    if config.args_source is config.ArgsSource.TESTPATHS and not config.option.markexpr:
        return (os.cpu_count() or 1) + 1
    return None if QUICK in config.option.markexpr else 0


def pytest_xdist_make_scheduler(config, log):
    return None if config.option.markexpr == QUICK else ByFile(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """What goes through everything is not quick. Nothing gets a second try: it would hide a fault."""
    for item in items:
        limit = max((LIMITS.get(mark.name, 0) for mark in item.iter_markers()), default=0)
        if limit and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(limit))
        uses_one = DATABASES.intersection(item.fixturenames) or item.get_closest_marker("django_db")
        if uses_one and not item.get_closest_marker("any_database"):
            item.add_marker(pytest.mark.database)
    if config.option.markexpr == QUICK:
        thorough = [item for item in items if item.get_closest_marker("thorough")]
        config.hook.pytest_deselected(items=thorough)
        items[:] = [item for item in items if not item.get_closest_marker("thorough")]


def pytest_collection_finish(session):
    """What is loaded by now stays for ever: looking through it again and again is a third of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


@pytest.fixture(scope="session", autouse=True)
def quickly_emptied():
    """Hundreds of tests empty the database behind them."""
    with pytest.MonkeyPatch.context() as patch:
        quick(patch)
        yield


@pytest.fixture(autouse=True)
def no_limits_of_others():
    """What one test counted towards a limit must not refuse another."""
    caches["default"].clear()


@pytest.fixture
def org(db):
    return make_org("Acme AI")


@pytest.fixture
def owner(org):
    """Admin of `org`."""
    return make_member(org, "admin", name="Ada Okafor")


@pytest.fixture
def editor(org):
    return make_member(org, "editor", name="Bruno Keller")


@pytest.fixture
def viewer(org):
    return make_member(org, "viewer", name="Chen Wei")


@pytest.fixture
def member(org):
    return make_member(org, "member", name="Dana Petrova")


@pytest.fixture
def outsider(db):
    """Admin of another organization."""
    return make_member(make_org("Other"), "admin", name="Otto Outside")


@pytest.fixture
def superuser(db):
    return make_user("root@example.org", superuser=True, name="Root")


@pytest.fixture
def as_user(client):
    """as_user(person).get(url): a test client signed in as that person."""

    def sign_in(user):
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture(scope="session")
def browser(browser):
    """Whatever is opened in it waits as long as a busy machine needs."""
    for way in ("new_context", "new_page"):
        setattr(browser, way, patient(getattr(browser, way)))
    return browser


@pytest.fixture
def visits(browser, live_server):
    """Browsers on the test's server; what their consoles complain of fails the test."""
    made = Visits(browser, live_server.url)
    yield made
    made.end()
    assert made.errors == []


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    # The one without a window needs a third less of a processor.
    names = ("chromium-headless-shell", "chromium")
    executable = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if not executable:
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail("REQUIRE_BROWSER is set and there is no Chromium.")
        pytest.skip("Chromium is not installed: apt-get install chromium-headless-shell")
    expect.set_options(timeout=BROWSER_PATIENCE)
    flags = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-software-rasterizer"]
    return {**browser_type_launch_args, "executable_path": executable, "args": flags}
