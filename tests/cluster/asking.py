"""Plain requests, for what clients do not let through."""

import json
from contextlib import contextmanager

import httpx

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


def ask(
    cluster, method: str, path: str, body=None, kind: str = "application/json", **query
) -> tuple[int, dict]:
    """(code, document). `kind`: the body's."""
    headers = {"Authorization": f"Bearer {cluster.token}", "Content-Type": kind}
    content = None if body is None else json.dumps(body)
    answer = httpx.request(
        method, cluster.url + path, params=query, content=content, headers=headers, timeout=10
    )
    return answer.status_code, answer.json()


@contextmanager
def watching(cluster, path: str, **query):
    """What a watch tells, one at a time: (type, object)."""
    headers = {"Authorization": f"Bearer {cluster.token}"}
    query = {"watch": "true", "timeoutSeconds": 20, **query}
    with httpx.stream("GET", cluster.url + path, params=query, headers=headers, timeout=20) as answer:
        lines = map(json.loads, answer.iter_lines())
        yield ((one["type"], one["object"]) for one in lines)
