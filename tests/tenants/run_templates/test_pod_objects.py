"""The objects of a run in a cluster: valid for Kubernetes, without secrets where anyone could read them, restricted."""

import json
from base64 import b64decode
from dataclasses import replace

import kubernetes_validate
import pytest

from tenants.hosting.local.index import PackageIndex
from tenants.run_templates.engine import pod_objects
from tenants.run_templates.engine.pod_objects import network_policy, run_job, run_secret

from .pod_samples import IMAGE, NAME, ORDER, PLACE, RUN_ID, TENANT_ID, TICKET, TOKEN

OLDEST, NEWEST = "1.29", "1.37"
FULL = replace(PLACE, pull_secret="registry", memory=2 * 1024**3, cpus=1.5)


def pod(order=ORDER, place=PLACE) -> dict:
    return run_job(order, place)["spec"]["template"]["spec"]


def containers(found: dict) -> list[dict]:
    return [*found["initContainers"], *found["containers"]]


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("place", [PLACE, FULL], ids=["least", "full"])
def test_kubernetes_knows_every_field(version, place):
    for one in (run_job(ORDER, place), run_secret(ORDER, place, TICKET), network_policy(place)):
        kubernetes_validate.validate(one, version, strict=True)


def test_they_say_whose_they_are_and_share_the_name_of_the_run():
    for one in (run_job(ORDER, PLACE), run_secret(ORDER, PLACE, TICKET)):
        meta = one["metadata"]
        assert (meta["name"], meta["namespace"]) == (NAME, "zenpro-runs") and len(NAME) <= 57
        assert meta["labels"]["zenpro.io/run"] == str(RUN_ID)
        assert meta["labels"]["zenpro.io/tenant"] == str(TENANT_ID)
        assert meta["labels"]["zenpro.io/installation"] == PLACE.installation


def test_secrets_are_in_the_secret_and_nowhere_else():
    data = run_secret(ORDER, PLACE, TICKET)["data"]
    opened = {name: b64decode(value).decode() for name, value in data.items()}
    assert (opened["ZENML_STORE_API_TOKEN"], opened["ZENPRO_TICKET"]) == (TOKEN, TICKET)
    shown = json.dumps([run_job(ORDER, PLACE), network_policy(PLACE)])
    assert [one for one in (TOKEN, TICKET, "ada:secret") if one in shown] == []


def test_code_of_a_template_sees_neither_the_ticket_nor_the_password_of_the_index():
    prepare, run = (
        {one["name"]: one["valueFrom"]["secretKeyRef"] for one in found["env"]} for found in containers(pod())
    )
    assert {"ZENPRO_TICKET", "PIP_INDEX_URL"} <= prepare.keys()
    assert "ZENML_STORE_API_TOKEN" in run and "ZENML_STORE_API_TOKEN" not in prepare
    assert not {"ZENPRO_TICKET", "PIP_INDEX_URL"} & run.keys()
    assert all(found == {"name": NAME, "key": key} for key, found in (prepare | run).items())
    made = run_secret(ORDER, PLACE, TICKET)["data"]
    assert prepare.keys() | run.keys() == made.keys()


def test_the_rules_of_the_box_are_those_of_the_pod():
    found = pod()
    assert found["automountServiceAccountToken"] is found["enableServiceLinks"] is False
    assert found["securityContext"]["runAsNonRoot"] and found["securityContext"]["runAsUser"] == 1000
    assert found["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for one in containers(found):
        assert one["image"] == IMAGE
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
    assert all([*one] == ["name", "emptyDir"] and one["emptyDir"]["sizeLimit"] for one in found["volumes"])
    mounts = {one["name"]: one for one in found["containers"][0]["volumeMounts"]}
    assert mounts["environment"]["readOnly"] is True


def test_it_is_tried_once_and_never_again():
    spec = run_job(ORDER, PLACE)["spec"]
    assert (spec["backoffLimit"], spec["template"]["spec"]["restartPolicy"]) == (0, "Never")
    assert "ttlSecondsAfterFinished" not in spec, "its end is read by us"


def test_limits_are_those_of_the_settings():
    assert "limits" not in pod()["containers"][0]["resources"]
    assert pod(place=FULL)["containers"][0]["resources"] == {
        "requests": {"cpu": "100m", "memory": str(512 * 1024**2)},
        "limits": {"cpu": "1500m", "memory": str(2 * 1024**3)},
    }
    small = replace(PLACE, memory=64 * 1024**2, cpus=0.05)
    assert pod(place=small)["containers"][0]["resources"]["requests"] == {
        "cpu": "50m",
        "memory": str(64 * 1024**2),
    }


def test_the_pod_makes_ready_what_the_template_needs_and_begins_in_its_code():
    prepare, run = containers(pod())
    assert prepare["command"][3:] == [
        "/zenpro",
        f"https://zenpro.example.org/api/runs/{RUN_ID}/code",
        "",
        "0.98.0",
        "pandas==2.2",
    ]
    assert run["command"][:3] == ["/zenpro/environment/bin/python", "-m", "zenml.entrypoints.entrypoint"]
    assert run["workingDir"] == "/zenpro/code/src"
    secret = run_secret(ORDER, PLACE, TICKET)["data"]
    assert b64decode(secret["PYTHONPATH"]).decode() == "/zenpro/code/src:/zenpro/code"
    assert b64decode(secret["ZENML_LOCAL_STORES_PATH"]).decode() == "/zenpro/stores"
    assert "/nowhere" not in json.dumps([secret, run])


def test_without_code_of_its_own_it_fetches_none_and_with_consent_it_builds():
    order = replace(ORDER, code=None, needs=("0.98.0", "", "an-organization"))
    assert pod(order)["initContainers"][0]["command"][3:] == ["/zenpro", "", "builds", "0.98.0"]


def test_what_ends_a_run_on_its_stack_is_told_which_and_why():
    command = pod(replace(ORDER, ends="Stopped by Ada."))["containers"][0]["command"]
    assert command[:2] == ["/zenpro/environment/bin/python", "-c"]
    assert command[3:] == [str(ORDER.zenml_run_id), "Stopped by Ada."]
    compile(command[2], "what ends a run", "exec")


def test_runs_are_called_by_no_one_and_call_no_other_run():
    spec = network_policy(PLACE)["spec"]
    assert (spec["ingress"], spec["policyTypes"]) == ([], ["Ingress", "Egress"])
    labels = run_job(ORDER, PLACE)["spec"]["template"]["metadata"]["labels"]
    assert spec["podSelector"]["matchLabels"].items() <= labels.items()
    others, *addresses = spec["egress"][0]["to"]
    assert others["podSelector"]["matchExpressions"][0]["values"] == [labels[pod_objects.NAME]]
    assert [one["ipBlock"].get("except") for one in addresses] == [
        ["169.254.169.254/32"],
        ["fd00:ec2::254/128"],
    ]


def test_packages_come_from_one_index_with_an_address():
    assert PLACE.no_packages == ""
    several = PackageIndex(("https://a.example.org", "https://b.example.org"))
    assert "one index" in replace(PLACE, index=several).no_packages
    assert "folder" in replace(PLACE, index=PackageIndex(("/srv/wheels",))).no_packages
