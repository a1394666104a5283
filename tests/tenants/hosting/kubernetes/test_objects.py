"""The objects of a tenant: valid for Kubernetes, without secrets where anyone could read them, restricted."""

import json
import sqlite3
import subprocess
import sys
from base64 import b64decode
from dataclasses import replace

import kubernetes_validate
import pytest

from tenants.hosting.kubernetes import naming, objects
from tenants.hosting.kubernetes.objects import deployment, lasting_objects, migration, stopped, volume_claim
from tests.site.deploy.restricted import faults_of

from .made import NAME, ON_SERVER, PLACE, SPEC, STORE, TENANT_ID

OLDEST, NEWEST = "1.29", "1.37"
FULL = replace(
    PLACE,
    pull_secret="registry",
    ingress_class="nginx",
    tls_secret="wildcard",
    storage_class="fast",
    callers=("ingress-nginx", "zenpro"),
)


def all_objects(spec=SPEC, place=PLACE) -> dict[str, dict]:
    made = [*lasting_objects(spec, place), volume_claim(spec, place), migration(spec, place)]
    return {one["kind"]: one for one in [*made, deployment(spec, place)]}


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("spec", [SPEC, ON_SERVER], ids=["volume", "server"])
@pytest.mark.parametrize("place", [PLACE, FULL], ids=["least", "full"])
def test_kubernetes_knows_every_field(version, place, spec):
    for one in all_objects(spec, place).values():
        kubernetes_validate.validate(one, version, strict=True)


def test_a_typing_error_would_be_found():
    made = deployment(SPEC, PLACE)
    made["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readynessProbe"):
        kubernetes_validate.validate(made, NEWEST, strict=True)


def test_every_object_says_whose_it_is():
    for kind, one in all_objects().items():
        assert not naming.is_strange(one, TENANT_ID)
        assert one["metadata"]["namespace"] == PLACE.namespace
        assert one["metadata"]["name"] == (f"{NAME}-migrate-0-98-0" if kind == "Job" else NAME)


def test_secrets_are_in_the_secret_and_nowhere_else():
    made = all_objects()
    data = made.pop("Secret")["data"]
    assert {name: b64decode(value).decode() for name, value in data.items()} == {
        "ZENML_SERVER_JWT_SECRET_KEY": SPEC.jwt_secret,
        "ZENML_SECRETS_STORE_ENCRYPTION_KEY": SPEC.encryption_key,
        "ZENML_SERVER_PRO_OAUTH2_CLIENT_SECRET": SPEC.oauth_secret,
    }
    others = json.dumps(made)
    assert [one for one in (SPEC.jwt_secret, SPEC.encryption_key, SPEC.oauth_secret) if one in others] == []


def variables(made: dict) -> dict[str, str]:
    container = made["spec"]["template"]["spec"]["containers"][0]
    return {one["name"]: one["value"] for one in container["env"]}


def test_the_server_is_told_who_it_is_and_where_it_keeps_its_rows():
    told = variables(deployment(SPEC, PLACE))
    assert told["ZENML_SERVER_PRO_WORKSPACE_ID"] == str(TENANT_ID)
    assert told["ZENML_SERVER_SERVER_URL"] == f"https://{NAME}.zenml.example.org"
    assert told["ZENML_STORE_URL"] == "sqlite:////zenml/.zenconfig/zenml.db"
    assert "ZENML_SERVER_ALLOW_LOCAL_FILE_ACCESS" not in told


def test_another_secret_makes_other_pods():
    one, other = (deployment(spec, PLACE) for spec in (SPEC, replace(SPEC, jwt_secret="another")))
    assert one["spec"]["template"]["metadata"] != other["spec"]["template"]["metadata"]
    assert one == deployment(SPEC, PLACE) != deployment(SPEC, PLACE, restarted="2026-05-04T12:00:00")


def test_the_pods_are_restricted_and_no_one_of_the_cluster():
    for spec in (SPEC, ON_SERVER):
        for made in (deployment(spec, PLACE), migration(spec, PLACE)):
            pod = made["spec"]["template"]["spec"]
            assert faults_of(pod) == [] and pod["automountServiceAccountToken"] is False
            assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["fsGroup"]) == (1000, 1000)


def test_a_first_start_may_take_ten_minutes_and_a_server_that_hangs_is_replaced():
    (server,) = deployment(SPEC, PLACE)["spec"]["template"]["spec"]["containers"]
    asked = {"port": "http"}
    assert {name: server[name] for name in server if name.endswith("Probe")} == {
        "startupProbe": {"httpGet": {"path": "/health"} | asked, "timeoutSeconds": 5}
        | {"periodSeconds": 5, "failureThreshold": 120},
        "readinessProbe": {"httpGet": {"path": "/ready"} | asked, "timeoutSeconds": 5, "periodSeconds": 5},
        "livenessProbe": {"httpGet": {"path": "/health"} | asked, "timeoutSeconds": 5}
        | {"periodSeconds": 15, "failureThreshold": 5},
    }


def test_no_service_leads_to_a_migration():
    made = all_objects()
    chosen = made["Service"]["spec"]["selector"]
    assert chosen.items() <= made["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    assert not chosen.items() <= made["Job"]["spec"]["template"]["metadata"]["labels"].items()


def test_another_tenant_is_kept_out_and_so_is_the_metadata_service():
    policy = all_objects()["NetworkPolicy"]["spec"]
    no_tenant = {"key": "app.kubernetes.io/name", "operator": "NotIn", "values": ["zenml-server"]}
    assert policy["ingress"][0]["from"][0]["podSelector"]["matchExpressions"] == [no_tenant]
    assert [one["ipBlock"] for one in policy["egress"][0]["to"][1:]] == [
        {"cidr": "0.0.0.0/0", "except": ["169.254.169.254/32"]},
        {"cidr": "::/0", "except": ["fd00:ec2::254/128"]},
    ]
    assert all_objects(place=FULL)["NetworkPolicy"]["spec"]["ingress"][0]["from"][0]["namespaceSelector"] == {
        "matchExpressions": [
            {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["ingress-nginx", "zenpro"]}
        ]
    }


def test_the_ingress_has_a_certificate_when_its_address_needs_one():
    assert all_objects()["Ingress"]["spec"]["tls"] == [{"hosts": [f"{NAME}.zenml.example.org"]}]
    assert all_objects(place=FULL)["Ingress"]["spec"]["tls"][0]["secretName"] == "wildcard"
    plain = all_objects(place=replace(PLACE, url="http://*.localhost:8080"))["Ingress"]["spec"]
    assert "tls" not in plain and plain["rules"][0]["host"] == f"{NAME}.localhost"


def test_the_server_is_reached_through_its_service_only_from_inside():
    assert PLACE.address(TENANT_ID) == PLACE.server_url(TENANT_ID) == SPEC.server_url
    assert replace(PLACE, inside=True).address(TENANT_ID) == f"http://{NAME}.zenpro-tenants.svc"


def test_with_a_database_on_a_server_only_the_secret_has_its_address_and_no_volume_is_used():
    made = all_objects(ON_SERVER)
    data = {name: b64decode(value).decode() for name, value in made.pop("Secret")["data"].items()}
    name = STORE.name
    assert data["ZENML_STORE_URL"] == f"mysql://{name}:a-password@db.example.org:3306/{name}"
    assert "a-password" not in json.dumps(made) and "persistentVolumeClaim" not in json.dumps(made)
    told = variables(made["Deployment"])
    assert "ZENML_STORE_URL" not in told and told["ZENML_STORE_BACKUP_STRATEGY"] == "disabled"


def test_only_a_job_migrates_a_database_on_a_server():
    made = all_objects(ON_SERVER)
    assert variables(made["Deployment"])["DISABLE_DATABASE_MIGRATION"] == "True"
    assert "DISABLE_DATABASE_MIGRATION" not in variables(made["Job"])
    assert "DISABLE_DATABASE_MIGRATION" not in variables(all_objects()["Deployment"])
    pod = made["Job"]["spec"]["template"]["spec"]
    (keep,), (change,) = pod["initContainers"], pod["containers"]
    copy = "zenml_467386c220f3_before_0_98_0"
    assert (keep["command"][3:], change["command"][3:]) == (["keep", copy], ["migrate", copy])


def test_the_old_pod_never_passes_for_the_new_one():
    for spec in (SPEC, ON_SERVER):
        assert deployment(spec, PLACE)["spec"]["strategy"] == {"type": "Recreate"}


def test_the_way_to_the_database_is_encrypted_as_zenml_has_it():
    at = replace(STORE.at, host="::1", encrypted=True)
    found = replace(STORE, at=at).variables()
    assert found["ZENML_STORE_SSL"] == "true" and "@[::1]:3306/" in found["ZENML_STORE_URL"]
    checked = replace(STORE, at=replace(at, ca="PEM"))
    assert checked.variables()["ZENML_STORE_SSL_VERIFY_SERVER_CERT"] == "true"
    assert checked.secret()["ZENML_STORE_SSL_CA"] == "PEM" and "PEM" not in repr(checked)


def test_stopping_touches_nothing_but_the_number_of_pods():
    assert stopped() == {"spec": {"replicas": 0}}
    assert stopped("0.99.0")["metadata"] == {"annotations": {naming.CHANGING_TO: "0.99.0"}}


def copied(*paths) -> int:
    return subprocess.run([sys.executable, "-c", objects.KEEP_COPY, *map(str, paths)], check=False).returncode


def test_the_database_is_copied_once_before_it_is_changed(tmp_path):
    original, copy = tmp_path / "zenml.db", tmp_path / "before.db"
    assert copied(original, copy) != 0 and not copy.exists()
    rows = sqlite3.connect(original)
    for number in (1, 2):
        rows.execute(f"create table t{number} (a)")
        rows.commit()
        assert copied(original, copy) == 0
    rows.close()
    found = sqlite3.connect(copy)
    assert found.execute("select name from sqlite_master").fetchall() == [("t1",)]
    found.close()
