"""What carries a database out of a volume or into one: a Job in the tenant's namespace, and the Secret it shows to us."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from tenants.hosting.base import Carriage
from tenants.hosting.kubernetes import objects
from tenants.hosting.kubernetes.cluster_spec import ClusterSpec
from tenants.hosting.kubernetes.naming import CARRIER, carrier_of, labels_of
from tenants.hosting.kubernetes.place import ClusterPlace

Manifest = dict[str, Any]

OUT, IN = "out", "in"
TICKET = "ZENPRO_TICKET"
SECONDS = 3600  # after which Kubernetes ends it; its ticket is worth nothing by then
# requests comes with ZenML: it trusts whom the server trusts. No redirect gets the ticket.
SCRIPT = """
import hashlib, os, sqlite3, sys
import requests

way, address, database, most, digest = sys.argv[1:]
headers = {"Authorization": "Bearer " + os.environ["ZENPRO_TICKET"]}
asked = {"timeout": (10, 600), "allow_redirects": False}

def pieces(path):
    with open(path, "rb") as file:
        yield from iter(lambda: file.read(1 << 20), b"")

def digest_of(path):
    found = hashlib.sha256()
    for piece in pieces(path):
        found.update(piece)
    return found.hexdigest()

def close():
    # What stands beside the file becomes part of it. No server is running.
    connection = sqlite3.connect("file:" + database + "?mode=rw", uri=True)
    connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()

def send():
    close()
    if os.path.getsize(database) > int(most):
        sys.exit("the database is larger than may be moved")
    about = {"Content-Type": "application/octet-stream", "X-Content-SHA256": digest_of(database)}
    with open(database, "rb") as file:
        answer = requests.put(address, data=file, headers={**headers, **about}, **asked)
    if answer.status_code != 204:
        sys.exit("ZenPro answered %d %s" % (answer.status_code, answer.text[:200]))

def fetch():
    part, left = database + ".part", int(most)
    with requests.get(address, headers=headers, stream=True, **asked) as answer, open(part, "wb") as file:
        if answer.status_code != 200:
            sys.exit("ZenPro answered %d" % answer.status_code)
        for piece in answer.iter_content(1 << 20):
            left -= len(piece)
            if left < 0:
                sys.exit("ZenPro sent too much")
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    if digest_of(part) != digest:
        sys.exit("the copy did not arrive whole")
    for end in ("-wal", "-shm", "-journal"):
        if os.path.exists(database + end):
            os.unlink(database + end)
    os.replace(part, database)

{"out": send, "in": fetch}[way]()
"""


def carrier_secret(spec: ClusterSpec, place: ClusterPlace, carriage: Carriage, way: str) -> Manifest:
    """With a new ticket."""
    name = carrier_of(spec.tenant_id, way, carriage.name)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": place.namespace, "labels": _labels(spec, place, name)},
        "type": "Opaque",
        "data": {TICKET: b64encode(carriage.ticket(way).encode()).decode()},
    }


def carrier_job(
    spec: ClusterSpec, place: ClusterPlace, carriage: Carriage, way: str, digest: str = ""
) -> Manifest:
    """`digest`: SHA-256 of what it is to fetch."""
    name = carrier_of(spec.tenant_id, way, carriage.name)
    words = [way, carriage.url, objects.DATABASE, str(carriage.most), digest]
    ticket = {"secretKeyRef": {"name": name, "key": TICKET}}
    container = {
        "name": "carry",
        "image": place.image_of(spec.version),
        "command": ["python", "-c", SCRIPT, *words],
        "securityContext": objects.RESTRICTED,
        "env": [{"name": TICKET, "valueFrom": ticket}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        "volumeMounts": [
            {"name": "data", "mountPath": objects.FOLDER},
            {"name": "tmp", "mountPath": objects.SCRATCH},
        ],
    }
    made = objects.job_of(spec, place, name, container)
    made["metadata"]["labels"] = _labels(spec, place, name)
    made["spec"]["activeDeadlineSeconds"] = SECONDS
    return made


def _labels(spec: ClusterSpec, place: ClusterPlace, name: str) -> dict[str, str]:
    return labels_of(spec.tenant_id, place.installation, name) | {CARRIER: "true"}
