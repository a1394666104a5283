"""Every page below /o/ says which right it needs, and tells strangers nothing."""

import re
from urllib.parse import quote

import pytest

from orgs.permissions import Permission
from tenants.models.tenant_permissions import TenantPermission

from .walk import organization_pages

pytestmark = pytest.mark.thorough

# Pages below /o/ without org_view or tenant_view, each with its reason.
UNMARKED = {
    "orgs:create": "there is no organization yet; the page itself asks who may make one",
}
# Parameters that are numbers counted per parent: any parent's "1" is another object, so nothing foreign exists.
COUNTED = {"number"}
# Parameters that name objects inside a tenant's server: only that tenant's connection can reach them.
INSIDE_TENANT = {"run", "step", "artifact", "index"}
RANDOM_PARTS = re.compile(r"[A-Za-z0-9]{64}")


def marked_pages():
    return [entry for entry in organization_pages() if entry.name not in UNMARKED]


def pages_with_objects():
    return [
        (entry, parameter)
        for entry in marked_pages()
        for parameter in entry.parameters
        if parameter not in {"org"} | COUNTED | INSIDE_TENANT
    ]


def answer(client, method: str, path: str):
    """Status and body without CSRF tokens, which differ in every answer."""
    response = getattr(client, method.lower())(path)
    return response.status_code, RANDOM_PARTS.sub("", response.content.decode())


@pytest.mark.parametrize("entry", organization_pages(), ids=str)
def test_page_says_which_right_it_needs(entry):
    if entry.name in UNMARKED:
        return
    access = getattr(entry.view, "access", None)
    module = f"{entry.view.__module__}.{entry.view.__name__}"
    assert isinstance(access, Permission | TenantPermission), (
        f"{module} ({entry.route}) needs @org_view(Permission.X) or @tenant_view(TenantPermission.X)."
    )
    wanted = TenantPermission if "tenant" in entry.parameters else Permission
    assert isinstance(access, wanted), f"{module} ({entry.route}) needs a {wanted.__name__}."


def test_unmarked_list_is_not_stale():
    names = {entry.name for entry in organization_pages()}
    assert set(UNMARKED) <= names, f"No longer a page: {set(UNMARKED) - names}"
    marked = {entry.name for entry in organization_pages() if hasattr(entry.view, "access")}
    assert not set(UNMARKED) & marked, f"Marked by now: {set(UNMARKED) & marked}"


def test_every_page_has_a_name():
    nameless = [entry.route for entry in organization_pages() if ":" not in entry.name]
    assert not nameless, f"Give these URLs app_name and name: {nameless}"


# The sweeps below go through all pages in one test: nothing they do changes the world they share.


def test_parameters_are_known_to_the_sweep(world):
    unknown = {entry.route: set(entry.parameters) - set(world.values) for entry in marked_pages()}
    unknown = {route: names for route, names in unknown.items() if names}
    assert not unknown, f"Tell tests/guards/world.py what these stand for: {unknown}"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_outsider_gets_the_same_as_for_an_organization_that_is_not(method, world, outsider, as_user):
    client, wrong = as_user(outsider), []
    for entry in marked_pages():
        real = answer(client, method, entry.path(world.values))
        random = answer(client, method, entry.path({**world.values, "org": "no-such-organization"}))
        expected = 404 if method in entry.methods else 405
        if real[0] != expected:
            wrong.append(f"{method} {entry.route} answers an outsider with {real[0]}, not {expected}.")
        elif real != random:
            wrong.append(f"{method} {entry.route} lets an outsider tell a real organization from none.")
    assert not wrong, "\n".join(wrong)


def test_object_of_another_organization_is_not_found(world, foreign, as_user):
    client, wrong = as_user(world.admin), []
    for entry, parameter in pages_with_objects():
        path = entry.path({**world.values, parameter: foreign.values[parameter]})
        for method in {"GET", "POST"} & entry.methods:
            status, _ = answer(client, method, path)
            if status != 404:
                wrong.append(f"{method} {entry.route} with a foreign {parameter}: {status}, not 404.")
    assert not wrong, "\n".join(wrong)


def test_anonymous_is_sent_to_sign_in_and_back(world, client):
    wrong = []
    for entry in marked_pages():
        path = entry.path(world.values)
        for method in {"GET", "POST"} & entry.methods:
            response = getattr(client, method.lower())(path)
            if response.status_code != 302 or not response.url.endswith(
                f"/accounts/login/?next={quote(path)}"
            ):
                wrong.append(f"{method} {entry.route}: {response.status_code} {response.get('Location')}")
    assert not wrong, "\n".join(wrong)
