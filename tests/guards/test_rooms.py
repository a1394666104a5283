"""The rooms of the code, from the floor up, and who may enter them (docs/architecture.md has the drawing).

A module imports modules of its own room that stand at its rank or below, and modules of rooms further down.
"""

import ast
import re

import pytest

from .imports import floor, height, imports_of, pairs, room_of
from .walk import ROOT, modules

# From the floor up: each room imports those above it in this list, never those below.
ROOMS = [
    "zenpro_site.common",
    "orgs",
    "tenants.models",
    "tenants.access",
    "tenants.hosting",
    "tenants.credentials",
    "tenants.usage",
    "tenants.runs",
    "tenants.control_plane",
    "tenants.run_templates",
    "tenants.webhooks",
    "tenants.server_packages",
    "tenants.upgrades",
    "tenants.moves",
    "tenants.api",
    "tenants.agent",
    "zenpro_site.pages",
    "tenants",
    "zenpro_site",
]
# Where a module stands in its room, by its name. What has no name of its own here is a helper.
RANKS = {
    "permissions": 0,
    "models": 1,
    "access": 2,
    "gate": 2,
    "actions": 4,
    "forms": 5,
    "admin": 6,
    "urls": 7,
}
HELPER, PAGE, COMMAND = 3, 6, 8
PLACED = {
    "orgs.audit.chain": 0,  # works on plain values
    "orgs.access.factors": 0,  # allauth's rows
    "tenants.control_plane.wire": 0,  # plain values
    "orgs.invitations.bulk": 5,  # reads a form
    "tenants.webhooks.hook_page": 5,  # shows a form, and calls actions
    "orgs.users.adapter": 6,  # allauth calls it as it calls a page
    "orgs.users.social": 6,
}
MODEL_ORDER = [
    "orgs.users",
    "orgs",
    "orgs.audit",
    "orgs.teams",
    "orgs.roles",
    "orgs.domains",
    "orgs.mails",
    "orgs.invitations",
    "tenants",
    "tenants.hosting.elsewhere",
    "tenants.credentials",
    "tenants.usage",
    "tenants.run_templates",
    "tenants.webhooks",
]
MOST_AT_THE_TOP = 4  # modules beside the rooms of tenants


def rank(name: str) -> int:
    """0 at the bottom of a room to 8 at its top."""
    last = name.rpartition(".")[2]
    if "management" in name.split(".") or last in ("wsgi", "__main__"):
        return COMMAND
    if last.endswith("views"):
        return PAGE
    if last.endswith("permissions"):
        return RANKS["permissions"]
    return PLACED.get(name, RANKS.get(last, HELPER))


def imports():
    """(module, imported) for every import of ours."""
    return [(name, imported) for name in sorted(modules()) for imported in sorted(imports_of(name))]


def test_every_module_has_its_room():
    homeless = [name for name in modules() if name not in ("orgs", "tenants") and not room_of(name, ROOMS)]
    assert homeless == []


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_are_there(room):
    assert any(room_of(name, ROOMS) == room for name in modules()), "Take it out of the list."


def test_no_import_runs_back_up():
    level = {room: number for number, room in enumerate(ROOMS)}
    wrong = [
        f"{name} imports {imported}"
        for name, imported in imports()
        if level[room_of(name, ROOMS)] < level[room_of(imported, ROOMS)]
    ]
    assert wrong == []


def test_modules_of_a_package_import_lower_ranks_only():
    wrong = [
        f"{name} imports {imported}"
        for name, imported in imports()
        if name.rpartition(".")[0] == imported.rpartition(".")[0] and rank(imported) > rank(name)
    ]
    assert wrong == []


def test_placed_modules_are_there():
    assert PLACED.keys() <= modules().keys(), "Take it out of the list."


def test_packages_do_not_import_each_other():
    """A package is entered at two heights: what it keeps (models, permissions) and what it does."""
    assert pairs() == []


def test_a_pair_would_be_found():
    """The floor of a package counts by itself, and everything its models need stands on it."""
    assert "orgs.audit.chain" in floor()
    assert height("orgs.audit.models") != height("orgs.audit.views") == height("orgs.audit.export")


def test_common_imports_nothing_of_ours():
    below = [name for name in modules() if room_of(name, ROOMS) == "zenpro_site.common"]
    wrong = {name: found for name in below if (found := imports_of(name) - set(below))}
    assert below and wrong == {}


def test_models_import_models_in_order():
    wrong = []
    for position, app in enumerate(MODEL_ORDER):
        later = {f"{other}.models" for other in MODEL_ORDER[position + 1 :]}
        wrong += [f"{app}.models imports {name}" for name in imports_of(f"{app}.models") & later]
    assert wrong == []


def test_every_app_with_models_has_its_place():
    apps = {name.removesuffix(".models") for name in modules() if name.endswith(".models")}
    assert apps == set(MODEL_ORDER), "Put it into MODEL_ORDER."


def test_few_modules_stand_beside_the_rooms_of_tenants():
    beside = [path.name for path in (ROOT / "tenants").glob("*.py") if path.name != "__init__.py"]
    assert len(beside) <= MOST_AT_THE_TOP, beside


# -- organizations know no tenant

RELATION = re.compile(
    r"(?<!after)\.(tenants|tenant_grants|grants|shares)\b|\b(tenants?|tenant_grants|grants|templates)__\w|\btenant="
)


def test_organizations_reach_no_tenant():
    """Neither through an accessor in the other direction, nor by a relation named in a string."""
    code = {module.where: ast.unparse(module.tree) for module in modules().values() if in_orgs(module.name)}
    assert [where for where, text in code.items() if RELATION.search(text)] == []


def test_organizations_import_no_tenant():
    wrong = {name for name, imported in imports() if in_orgs(name) and not is_below(imported)}
    assert wrong == set()


def in_orgs(name: str) -> bool:
    return name.split(".")[0] == "orgs"


def is_below(name: str) -> bool:
    return in_orgs(name) or room_of(name, ROOMS) == "zenpro_site.common"


# -- a backend is chosen by the kind of the tenant

# Modules that know this machine, each with its reason. The list only gets shorter.
KNOW_THIS_MACHINE = {
    "tenants.agent.disk_sweeper": "measures and sweeps folders whose content others chose",
    "tenants.agent.run_pass": "a runner here shares the server's local stores",
    "tenants.run_templates.continuing": "asks whether the files that a step saved are still in the stores",
    "tenants.run_templates.engine.code": "copies code into folders",
    "tenants.run_templates.engine.pod_place": "passes the package index of this machine on to pods",
    "tenants.run_templates.engine.run_environments": "installs what runners need",
    "tenants.run_templates.engine.marked_processes": "ends what a runner started",
    "tenants.run_templates.engine.boxed_programs": "runs what reads archives and repositories in a box",
    "tenants.run_templates.engine.importing": "imports steps in a box",
    "tenants.run_templates.engine.runner": "runs a process in a box",
    "tenants.server_packages.store_packages": "says how the installation for a server here went",
    "tenants.usage.disk_budget": "asks how full the disk is",
    "zenpro_site.checkup.machine": "checks this machine: disk, groups, box and supervisor",
    "zenpro_site.checkup.network": "checks the ports of this machine",
    "zenpro_site.demo": "installs the version and fills the stores of the first tenant, which is here",
    "zenpro_site.isolation": "chooses the box of this machine",
    "zenpro_site.management.commands.up": "starts the supervisor of this machine",
    "zenpro_site.programs": "lists programs for the supervisor",
    "zenpro_site.running": "writes what the supervisor runs with",
    "zenpro_site.shell": "says which box was chosen",
    "zenpro_site.sources": "looks at the package index of this machine",
}
KIND_BY_ACCIDENT = re.compile(r"hasattr\([\w.]+, 'enrollment'\)|\.port is (not )?None")


def test_few_modules_know_this_machine():
    local = "tenants.hosting.local"
    found = {name for name, imported in imports() if in_room(imported, local) and not in_room(name, local)}
    assert found == KNOW_THIS_MACHINE.keys()


def test_the_kind_of_a_tenant_is_asked_and_not_guessed():
    beside = [one for one in modules().values() if not in_room(one.name, "tenants.hosting.local")]
    wrong = {one.where for one in beside if KIND_BY_ACCIDENT.search(ast.unparse(one.tree))}
    assert wrong == set()


def in_room(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")
