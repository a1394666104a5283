"""Packages of a stack: which integrations the server names, and what ZenML's own files say they need."""

import json
from copy import deepcopy

import pytest

from tenants.run_templates.component_schemas import integrations_at, with_components
from tenants.run_templates.document.packages import filled, of_stack, proposals
from tenants.run_templates.document.stack_integrations import KEY, integrations_in, integrations_of
from tenants.run_templates.engine.integration_packages import IntegrationPackages, packages_of
from tenants.run_templates.engine.run_environments import RunEnvironments
from tests.tenants.runs.fakes import RUN_ID, FakeTenantClient

from .samples import DATA, churn_snapshot

STACK = json.loads((DATA / "kubernetes_stack.json").read_text())["stack"]  # of ZenML 0.98.0
HEAD = "from zenml.integrations.constants import X\n\n\nclass XIntegration(Integration):\n    NAME = X\n"
METHOD = (
    HEAD + "    REQUIREMENTS = ['a']\n\n    @classmethod\n    def get_requirements(cls, target_os=None):\n"
)


def stack_of(*integrations, kind="orchestrator"):
    found = [{"name": f"c{at}", "body": {"integration": one}} for at, one in enumerate(integrations)]
    return {"metadata": {"components": {kind: found}}}


@pytest.fixture
def installed(settings, tmp_path):
    """Writes the file of an integration into the environment of the servers of a version."""
    settings.ZENPRO_DATA = tmp_path

    def write(text, name="x", version="0.98.0"):
        place = tmp_path / f"envs/server-{version}/lib/python3.11/site-packages/zenml/integrations" / name
        place.mkdir(parents=True)
        (place / "__init__.py").write_bytes(text if isinstance(text, bytes) else text.encode())

    return write


# -- refusals: what a server names


@pytest.mark.parametrize(
    "name",
    [None, 5, [], "", "built-in", "custom", "../s3", "s3/..", "S3", "s3\n", "é", "a" * 51, "/etc", ".", "1a"],
)
def test_what_is_no_integration_is_left_out(name):
    assert integrations_in(stack_of(name)) == []
    assert integrations_of({KEY: [name]}) == []


@pytest.mark.parametrize("stack", [{}, {"metadata": []}, {"metadata": {"components": ["s3"]}}, stack_of()])
def test_a_stack_that_tells_nothing_has_none(stack):
    assert integrations_in(stack) == []


def test_no_more_than_a_stack_can_have():
    many = [f"i{number}" for number in range(200)]
    stack = stack_of()
    stack["metadata"]["components"] = {
        f"kind{at}": stack_of(one)["metadata"]["components"]["orchestrator"] for at, one in enumerate(many)
    }
    assert len(integrations_in(stack)) <= 40
    assert len(integrations_of({KEY: many})) <= 40


@pytest.mark.parametrize("kept", [None, 5, "s3", {"s3": 1}])
def test_what_is_kept_is_checked_as_well(kept):
    assert integrations_of({KEY: kept}) == []


# -- refusals: what is read


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x =",
        "import os\nos.abort()",
        b"\xff\xfe",
        "\0",
        "(" * 5000,
        HEAD + "    REQUIREMENTS = ['a']\n" + "#" * 300_000,
        HEAD + "    REQUIREMENTS = [str(1)]\n",
        HEAD + "    REQUIREMENTS = ['a'] + other()\n",
        HEAD + "    REQUIREMENTS = 'a'\n",
        METHOD + "        if target_os:\n            return ['b']\n        return ['c']\n",
        METHOD + "        return open('x')\n",
        METHOD + "        from os import path\n        return path.get_requirements()\n",
        METHOD + "        from zenml.integrations.x import XIntegration\n"
        "        return XIntegration.get_requirements()\n",
        METHOD + "        from zenml.integrations.gone import Gone\n        return Gone.get_requirements()\n",
        METHOD + "        found = ['b']\n        found.append('c')\n        return found\n",
        METHOD + "        pass\n",
    ],
    ids=["empty", "no Python", "no class", "odd bytes", "nul", "deep", "long", "call", "sum", "text", "if", "open", "foreign",
         "itself", "gone", "append", "nothing"],
)  # fmt: skip
def test_what_cannot_be_read_is_named_and_not_run(installed, text):
    installed(text)
    assert packages_of("0.98.0", ["x"]) == IntegrationPackages([], ["x"])


@pytest.mark.parametrize("version", ["0.97.0", "", "../server-0.98.0", "0.98.0/.."])
def test_without_an_environment_of_that_version_nothing_is_read(installed, version):
    installed(HEAD + "    REQUIREMENTS = ['boto3']\n")
    assert packages_of(version, ["x"]) == IntegrationPackages([], ["x"])


def test_what_no_template_takes_is_not_proposed(installed):
    installed(HEAD + "    REQUIREMENTS = ['-r x', 'a @ file:///etc/passwd', 'zenml==1', '../b', 'Boto3']\n")
    assert packages_of("0.98.0", ["x"]).lines == ["boto3"]


# -- what it says


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (HEAD, []),
        (HEAD + "    REQUIREMENTS = []\n", []),
        (HEAD + "    REQUIREMENTS: List[str] = ['s3fs>2022.3.0,!=2025.3.1', 'boto3']\n", ["s3fs!=2025.3.1,>2022.3.0", "boto3"]),
        (METHOD + "        '''Words.'''\n        return cls.REQUIREMENTS + ['b']\n", ["a", "b"]),
        (
            METHOD + "        from zenml.integrations.other import Other\n        found = ['b']\n"
            "        found.extend(Other.get_requirements(target_os=target_os))\n        return found\n",
            ["b", "c>=2"],
        ),
    ],
    ids=["none", "empty", "list", "sum", "others"],
)  # fmt: skip
def test_packages_of_an_integration(installed, text, lines):
    installed(text)
    installed(HEAD + "    REQUIREMENTS = ['c>=2']\n", "other")
    assert packages_of("0.98.0", ["x"]) == IntegrationPackages(lines, [])


def test_of_a_server_elsewhere_the_environment_of_its_runs_is_read(installed):
    """Not one with packages of its own, in which others' code may have run."""
    runs = RunEnvironments()
    for requirements, package in [("numpy", "wrong"), ("", "boto3")]:
        place = (
            runs.path(runs.key("0.94.0", requirements)) / "lib/python3.11/site-packages/zenml/integrations/x"
        )
        place.mkdir(parents=True)
        (place / "__init__.py").write_text(f"{HEAD}    REQUIREMENTS = ['{package}']\n")
    assert packages_of("0.94.0", ["x"]) == IntegrationPackages(["boto3"], [])


def test_what_two_integrations_want_of_a_package_is_one_line(installed):
    installed(HEAD + "    REQUIREMENTS = ['kubernetes', 'boto3']\n", "aws")
    installed(HEAD + "    REQUIREMENTS = ['kubernetes[adal]>=21.7,<26', 'Jinja2']\n", "kubernetes")
    found = packages_of("0.98.0", ["aws", "gone", "kubernetes"])
    assert found == IntegrationPackages(["kubernetes[adal]<26,>=21.7", "boto3", "jinja2"], ["gone"])


# -- kept with a template, and proposed


def test_the_integrations_of_a_recorded_stack_are_kept_with_the_snapshot():
    client = FakeTenantClient()
    run = client.run(RUN_ID)
    client.stacks[str(run.stack_id)] = deepcopy(STACK)
    assert integrations_of(with_components(client, run, churn_snapshot())) == ["kubernetes"]
    assert integrations_at(client, run.stack_id) == ["kubernetes"]
    client.stacks.clear()
    again = with_components(client, run, {**churn_snapshot(), KEY: ["s3"]})
    assert (integrations_of(again), integrations_at(client, run.stack_id)) == ([], [])
    assert integrations_at(client, None) == []


def test_the_stack_is_one_more_proposal_that_adds_what_is_missing():
    stack = of_stack(["kubernetes", "s3", "mlflow"], ["kubernetes<26", "boto3"], ["mlflow"])
    found = proposals(["pandas==2"], {"requirements.txt": ["x"]}, stack)
    assert [one.key for one in found] == ["file:requirements.txt", "stack", "run"]
    assert (found[1].origin, found[1].adds) == ("The stack: kubernetes, s3, mlflow", True)
    assert found[1].command == "zenml integration export-requirements mlflow"
    assert filled(found, "stack", "Kubernetes==25 # ours\nnumpy") == "Kubernetes==25 # ours\nnumpy\nboto3"
    assert filled(found, "stack", "") == "kubernetes<26\nboto3"
    assert filled(found, "run", "numpy") == "pandas==2"


def test_a_stack_that_needs_nothing_is_not_proposed():
    assert proposals([], {}, of_stack([], [], [])) == []
    assert proposals([], {}, of_stack(["airflow"], [], [])) == []


@pytest.mark.parametrize("error", [SystemError, MemoryError, RecursionError])
def test_what_python_fails_at_is_named_as_unread(installed, monkeypatch, error):
    """SystemError: Python 3.11 loses count when an error elsewhere is told while it makes a tree."""
    installed(HEAD + "    REQUIREMENTS = ['a']\n")

    def fails(text):
        raise error

    monkeypatch.setattr("tenants.run_templates.engine.integration_packages.ast.parse", fails)
    assert packages_of("0.98.0", ["x"]) == IntegrationPackages([], ["x"])
