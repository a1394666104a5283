"""What carries databases out of a cluster's volumes and into them: its objects, its steps, and the real thing."""

import json
import sqlite3
import sys
import time
from base64 import b64decode
from contextlib import closing
from pathlib import Path

import kubernetes_validate
import pytest
from django.utils import timezone
from factories import make_tenant

from tenants.hosting.base import Carriage, NotYet, ServerError
from tenants.hosting.kubernetes import objects
from tenants.hosting.kubernetes.carrier_objects import carrier_job, carrier_secret
from tenants.hosting.kubernetes.carriers import NOT_HERE, ClusterCarriers
from tenants.hosting.kubernetes.cluster import Cluster
from tenants.hosting.kubernetes.hosting import KubernetesHosting
from tenants.hosting.kubernetes.naming import TENANT, name_of
from tenants.hosting.kubernetes.rights import needed
from tenants.hosting.kubernetes.servers import ClusterServers
from tenants.models import TenantMove
from tenants.moves.carriages import carriage_of
from tests.cluster.fixtures import cluster
from tests.cluster.images import Missing, Runs

from .clusters import ClusterStandIn
from .made import NAME, PLACE, SPEC, TENANT_ID, condition
from .test_objects import NEWEST, OLDEST

__all__ = ["cluster"]
CLAIM = ("PersistentVolumeClaim", NAME)
OUT, IN = f"{NAME}-carry-out-0a1b2c3d", f"{NAME}-carry-in-0a1b2c3d"


@pytest.fixture
def carriage(tmp_path):
    def ticket(way):
        return f"a-ticket-{way}"

    url = "https://zenpro.example.org/api/moves/1/database"
    places = {"file": tmp_path / "database", "sent": tmp_path / "sent"}
    return Carriage(name="0a1b2c3d", most=1000, url=url, ticket=ticket, **places)


@pytest.fixture
def stand_in():
    return ClusterStandIn()


@pytest.fixture
def carriers(stand_in):
    stand_in.put("PersistentVolumeClaim", objects.volume_claim(SPEC, PLACE))
    return ClusterCarriers(ClusterServers(stand_in, PLACE))


# -- objects


@pytest.mark.parametrize("way", ["out", "in"])
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_knows_every_field(carriage, version, way):
    for made in (carrier_secret(SPEC, PLACE, carriage, way), carrier_job(SPEC, PLACE, carriage, way, "ab")):
        kubernetes_validate.validate(made, version, strict=True)
        assert made["metadata"]["labels"][TENANT] == str(TENANT_ID)  # its network policy covers it


def test_it_is_restricted_and_knows_none_of_the_servers_secrets(carriage):
    made = carrier_job(SPEC, PLACE, carriage, "out")
    pod = made["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"]
    assert [one["securityContext"] for one in pod["containers"]] == [objects.RESTRICTED]
    assert not any("envFrom" in one for one in pod["containers"]) and "a-ticket" not in json.dumps(made)
    assert (made["spec"]["backoffLimit"], made["spec"]["activeDeadlineSeconds"]) == (0, 3600)
    secret = carrier_secret(SPEC, PLACE, carriage, "out")
    assert b64decode(secret["data"]["ZENPRO_TICKET"]) == b"a-ticket-out"


def test_no_service_leads_to_it(carriage):
    labels = carrier_job(SPEC, PLACE, carriage, "in")["spec"]["template"]["metadata"]["labels"]
    chosen = objects.service(SPEC, PLACE)["spec"]["selector"]
    assert not chosen.items() <= labels.items()


def test_it_needs_no_right_that_servers_do_not_need():
    assert {"secrets", "jobs", "pods", "pods/log"} <= {one.name for one in needed()}


# -- steps


def test_out_of_the_cluster(carriers, stand_in, carriage):
    with pytest.raises(NotYet, match="comes from the cluster"):
        carriers.take_out(SPEC, carriage)
    assert {CLAIM, ("Secret", OUT), ("Job", OUT)} == stand_in.objects.keys()
    before = list(stand_in.changes)
    with pytest.raises(NotYet):
        carriers.take_out(SPEC, carriage)
    assert stand_in.changes == before
    stand_in.objects["Job", OUT]["status"] = {"conditions": [condition("Complete", "True")]}
    carriage.sent.write_text("a database")
    carriers.take_out(SPEC, carriage)
    assert carriage.file.read_text() == "a database" and not carriage.sent.exists()
    assert stand_in.objects.keys() == {CLAIM}


def test_into_the_cluster(carriers, stand_in, carriage):
    """Its volume, account and network policy are there before the carrier is."""
    stand_in.objects.clear()
    carriage.file.write_text("a database")
    with pytest.raises(NotYet, match="goes to the cluster"):
        carriers.put_in(SPEC, carriage)
    made = [kind for _, kind, _ in stand_in.changes]
    assert {"ServiceAccount", "NetworkPolicy", "PersistentVolumeClaim"} <= set(made[:-2])
    assert made[-2:] == ["Secret", "Job"]
    stand_in.objects["Job", IN]["status"] = {"conditions": [condition("Complete", "True")]}
    carriers.put_in(SPEC, carriage)
    assert ("Job", IN) not in stand_in.objects and ("Secret", IN) not in stand_in.objects
    assert ("Secret", NAME) in stand_in.objects  # the server's own


def test_killed_after_the_copy_has_come_it_only_clears(carriers, stand_in, carriage):
    with pytest.raises(NotYet):
        carriers.take_out(SPEC, carriage)
    carriage.file.write_text("a database")
    carriers.take_out(SPEC, carriage)
    assert stand_in.objects.keys() == {CLAIM}


def test_a_carrier_that_fails_says_why(carriers, stand_in, carriage):
    with pytest.raises(NotYet):
        carriers.take_out(SPEC, carriage)
    pod = {"metadata": {"name": "carrier", "labels": stand_in.objects["Job", OUT]["metadata"]["labels"]}}
    stand_in.put("Pod", pod)
    stand_in.logs["carrier", "carry", False] = ["Traceback", "ZenPro answered 413"]
    stand_in.objects["Job", OUT]["status"] = {"conditions": [condition("Failed", "True")]}
    with pytest.raises(ServerError, match="could not be carried: ZenPro answered 413"):
        carriers.take_out(SPEC, carriage)


def test_a_carrier_that_says_it_has_sent_what_never_came(carriers, stand_in, carriage):
    done = {"status": {"conditions": [condition("Complete", "True")]}}
    stand_in.put("Job", carrier_job(SPEC, PLACE, carriage, "out") | done)
    with pytest.raises(ServerError, match=NOT_HERE):
        carriers.take_out(SPEC, carriage)


def test_someone_elses_job_is_left_alone(carriers, stand_in, carriage):
    theirs = stand_in.put("Job", {"metadata": {"name": OUT, "labels": {}}})
    with pytest.raises(ServerError, match="already has a Job"):
        carriers.take_out(SPEC, carriage)
    carriers.end(TENANT_ID)
    assert stand_in.objects["Job", OUT] == theirs


def test_without_its_volume_nothing_is_begun(carriers, stand_in, carriage):
    stand_in.objects.clear()
    with pytest.raises(ServerError, match="The volume with its database is not in the cluster."):
        carriers.take_out(SPEC, carriage)
    assert stand_in.objects == {}


# -- in a cluster, with processes


@pytest.fixture
def in_cluster(cluster, tmp_path, monkeypatch):
    """Carriers are real processes; what they import lies below /tmp."""
    monkeypatch.setattr(objects, "SCRATCH", "/zenml/tmp")
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLACE.namespace}})
    cluster.images["*"] = Runs((), {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"})
    config = cluster.kubeconfig(tmp_path / "kubeconfig")
    return ClusterCarriers(ClusterServers(Cluster(str(config), PLACE.namespace), PLACE))


@pytest.fixture
def move(live_server, settings, tmp_path, transactional_db, org):
    settings.ZENPRO_DATA, settings.ZENPRO_API_URL = tmp_path, f"{live_server.url}/api"
    homes, now = {"origin": "kubernetes", "destination": "kubernetes"}, timezone.now()
    tenant = make_tenant(org, kind="kubernetes")
    return TenantMove.objects.create(tenant=tenant, began_at=now, step_since=now, step="taking", **homes)


def volume_of(cluster, tenant) -> Path:
    claim = cluster.processes.folder / "claims" / PLACE.namespace / name_of(tenant.pk)
    claim.mkdir(parents=True, exist_ok=True)
    return claim / "zenml.db"


def until_done(step, move) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            return step(KubernetesHosting()._spec(move.tenant), carriage_of(move))
        except NotYet:
            time.sleep(0.1)
    raise AssertionError("It took too long.")


def test_a_database_goes_through_a_cluster_and_back(cluster, in_cluster, move):
    in_cluster.on.prepare(KubernetesHosting()._spec(move.tenant))
    volume = volume_of(cluster, move.tenant)
    with closing(sqlite3.connect(volume)) as connection:
        connection.execute("CREATE TABLE project (name TEXT)")
        connection.execute("INSERT INTO project VALUES ('ours')")
        connection.commit()
    until_done(in_cluster.take_out, move)
    assert carriage_of(move).file.read_bytes() == volume.read_bytes()
    volume.write_text("an older one")
    volume.with_name("zenml.db-wal").write_text("of the older one")
    TenantMove.objects.update(step="putting")
    until_done(in_cluster.put_in, move)
    with closing(sqlite3.connect(volume)) as connection:
        assert connection.execute("SELECT name FROM project").fetchall() == [("ours",)]
    assert sorted(one.name for one in volume.parent.iterdir()) == ["zenml.db"]
    assert cluster.list("Job", PLACE.namespace) == []


def test_a_refused_carrier_tells_what_zenpro_answered(cluster, in_cluster, move, settings):
    settings.ZENPRO_MOVE_SIZE = 10
    in_cluster.on.prepare(KubernetesHosting()._spec(move.tenant))
    with closing(sqlite3.connect(volume_of(cluster, move.tenant))) as connection:
        connection.execute("CREATE TABLE project (name TEXT)")
    with pytest.raises(ServerError, match="could not be carried: the database is larger than may be moved"):
        until_done(in_cluster.take_out, move)


def test_an_image_that_is_not_there_is_told(cluster, in_cluster, move):
    cluster.images["*"] = Missing()
    in_cluster.on.prepare(KubernetesHosting()._spec(move.tenant))
    until = time.monotonic() + 30
    words = ""
    while "cannot be pulled" not in words:
        assert time.monotonic() < until, words
        with pytest.raises(NotYet) as said:
            in_cluster.take_out(KubernetesHosting()._spec(move.tenant), carriage_of(move))
        words = said.value.reason
    in_cluster.end(move.tenant.pk)
    assert cluster.list("Job", PLACE.namespace) == []
