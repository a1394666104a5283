"""Containers of runs whose stack runs its steps in the Docker of this machine (local_docker).

ZenML's orchestrator waits for each container, and when that wait is ended the container goes on (seen on 0.98.0). So the
containers of a re-run get a label, through settings of the orchestrator (run_args, which go to docker's own
containers.run), and what has that label is ended with the run. Docker's API: GET /containers/json?filters=, POST
/containers/{id}/kill. Where no Docker is reachable, there is nothing to end.
"""

import json
import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpx
import structlog

from tenants.hosting.answers import line, listing, mapping
from tenants.run_templates.document.components import KEY, MOST_COMPONENTS, settings_key

log = structlog.get_logger("zenpro.agent")
Json = dict[str, Any]

FLAVOR, LABEL = "local_docker", "zenpro.run"
SOCKET = "/var/run/docker.sock"  # where runners find it: they get no DOCKER_HOST
PATIENCE = 10.0  # seconds for one call
LARGEST = 1024**2  # bytes of an answer
MOST_CONTAINERS = 100
CONTAINER = re.compile(r"[0-9a-f]{12,64}")


def settings_in_docker(snapshot: Mapping[str, Any]) -> str:
    """The key of the orchestrator's settings, for a stored snapshot of a run in Docker; "" for all others."""
    for one in map(mapping, listing(snapshot.get(KEY), MOST_COMPONENTS)):
        kind, name, flavor = (line(one.get(part)) for part in ("type", "name", "flavor"))
        if (kind, flavor) == ("orchestrator", FLAVOR):
            return settings_key(kind, name, flavor, snapshot)
    return ""


def labelled(body: Json, key: str, run_id: UUID) -> Json:
    """The body of a snapshot whose containers get the label of a re-run; a step's own settings get it as well."""
    steps = {
        name: {part: _with_label(one, key, run_id, only_there=True) for part, one in mapping(step).items()}
        for name, step in mapping(body.get("step_configurations")).items()
    }
    configuration = _with_label(body["pipeline_configuration"], key, run_id)
    return body | {"pipeline_configuration": configuration, "step_configurations": steps}


def _with_label(holder: Any, key: str, run_id: UUID, only_there: bool = False) -> Any:
    known = mapping(mapping(holder).get("settings"))
    if only_there and key not in known:
        return holder
    own = mapping(known.get(key))
    arguments = mapping(own.get("run_args"))
    labels = _labels(arguments.get("labels")) | {LABEL: str(run_id)}
    return holder | {"settings": {**known, key: {**own, "run_args": {**arguments, "labels": labels}}}}


def _labels(recorded: Any) -> dict[str, Any]:
    """Docker takes names and values, or names alone."""
    if isinstance(recorded, list):
        return {name: "" for name in recorded if isinstance(name, str)}
    return mapping(recorded)


# -- the end


def end_containers(run_id: UUID) -> int:
    """Kill what a re-run left in Docker; how many containers that were. Seconds at most for each. Never raises."""
    transport = httpx.HTTPTransport(uds=SOCKET)
    with httpx.Client(transport=transport, base_url="http://docker", timeout=PATIENCE) as docker:
        try:
            return sum(_kill(docker, one) for one in _living(docker, run_id))
        except (httpx.HTTPError, ValueError) as error:
            log.info("containers were not ended", run=str(run_id), reason=str(error))
            return 0


def _living(docker: httpx.Client, run_id: UUID) -> list[str]:
    filters = json.dumps({"label": [f"{LABEL}={run_id}"]})
    with docker.stream("GET", "/containers/json", params={"filters": filters}) as answer:
        answer.raise_for_status()
        found = listing(json.loads(_bounded(answer)), MOST_CONTAINERS)
    names = [line(mapping(one).get("Id")) for one in found]
    return [name for name in names if CONTAINER.fullmatch(name)]


def _bounded(answer: httpx.Response) -> bytes:
    """Raises ValueError for more than any list of containers."""
    content = b""
    for part in answer.iter_bytes():
        content += part
        if len(content) > LARGEST:
            raise ValueError("The answer is too long.")
    return content


def _kill(docker: httpx.Client, container: str) -> bool:
    """False when it ended by itself meanwhile."""
    return docker.post(f"/containers/{container}/kill").is_success
