"""Every page below /o/ says which right it needs, and tells strangers nothing."""

import re
from urllib.parse import quote

import pytest

from orgs.permissions import Permission
from tenants.permissions import TenantPermission

from .walk import organization_pages

# Pages below /o/ without org_view or tenant_view, each with its reason.
UNMARKED = {
    "orgs:create": "there is no organization yet; the page itself asks who may make one",
}
# Parameters that are numbers counted per parent: any parent's "1" is another object, so nothing foreign exists.
COUNTED = {"number"}
# Parameters that name objects inside a tenant's server: only that tenant's connection can reach them.
INSIDE_TENANT = {"run", "step"}
RANDOM_PARTS = re.compile(r"[A-Za-z0-9]{64}")


def marked_pages():
    return [page for page in organization_pages() if page.name not in UNMARKED]


def pages_with_objects():
    return [
        pytest.param(page, parameter, id=f"{page}-{parameter}")
        for page in marked_pages()
        for parameter in page.parameters
        if parameter not in {"org"} | COUNTED | INSIDE_TENANT
    ]


def answer(client, method: str, path: str):
    """Status and body without CSRF tokens, which differ in every answer."""
    response = getattr(client, method.lower())(path)
    return response.status_code, RANDOM_PARTS.sub("", response.content.decode())


@pytest.mark.parametrize("page", organization_pages(), ids=str)
def test_page_says_which_right_it_needs(page):
    if page.name in UNMARKED:
        return
    access = getattr(page.view, "access", None)
    module = f"{page.view.__module__}.{page.view.__name__}"
    assert isinstance(access, Permission | TenantPermission), (
        f"{module} ({page.route}) needs @org_view(Permission.X) or @tenant_view(TenantPermission.X)."
    )
    wanted = TenantPermission if "tenant" in page.parameters else Permission
    assert isinstance(access, wanted), f"{module} ({page.route}) needs a {wanted.__name__}."


def test_unmarked_list_is_not_stale():
    names = {page.name for page in organization_pages()}
    assert set(UNMARKED) <= names, f"No longer a page: {set(UNMARKED) - names}"
    marked = {page.name for page in organization_pages() if hasattr(page.view, "access")}
    assert not set(UNMARKED) & marked, f"Marked by now: {set(UNMARKED) & marked}"


def test_every_page_has_a_name():
    nameless = [page.route for page in organization_pages() if ":" not in page.name]
    assert not nameless, f"Give these URLs app_name and name: {nameless}"


@pytest.mark.parametrize("page", marked_pages(), ids=str)
def test_parameters_are_known_to_the_sweep(page, world):
    unknown = set(page.parameters) - set(world.values)
    assert not unknown, f"{page.route}: tell tests/guards/world.py what {unknown} stand for."


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("page", marked_pages(), ids=str)
def test_outsider_gets_the_same_as_for_an_organization_that_is_not(page, method, world, outsider, as_user):
    client = as_user(outsider)
    real = answer(client, method, page.path(world.values))
    random = answer(client, method, page.path({**world.values, "org": "no-such-organization"}))
    expected = 404 if method in page.methods else 405
    assert real[0] == expected, f"{method} {page.route} answers an outsider with {real[0]}, not {expected}."
    assert real == random, f"{method} {page.route} lets an outsider tell a real organization from none."


@pytest.mark.parametrize(("page", "parameter"), pages_with_objects())
def test_object_of_another_organization_is_not_found(page, parameter, world, foreign, as_user):
    path = page.path({**world.values, parameter: foreign.values[parameter]})
    client = as_user(world.admin)
    for method in {"GET", "POST"} & page.methods:
        status, _ = answer(client, method, path)
        assert status == 404, f"{method} {page.route} with a foreign {parameter}: {status}, not 404."


@pytest.mark.parametrize("page", marked_pages(), ids=str)
def test_anonymous_is_sent_to_sign_in_and_back(page, world, client):
    path = page.path(world.values)
    for method in {"GET", "POST"} & page.methods:
        response = getattr(client, method.lower())(path)
        assert response.status_code == 302, f"{method} {page.route}: {response.status_code}, not 302."
        assert response.url.endswith(f"/accounts/login/?next={quote(path)}")
