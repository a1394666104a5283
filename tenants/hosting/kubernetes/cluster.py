"""Calls to a cluster: each ends in time, and each refusal becomes a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import msgspec
import yaml
from lightkube import Client, KubeConfig
from lightkube.config.client_adapter import verify_cluster
from lightkube.config.kubeconfig import SingleConfig
from lightkube.config.models import User
from lightkube.core.exceptions import ApiError, ConfigError
from lightkube.resources.core_v1 import PodLog
from lightkube.types import CascadeType, PatchType

from tenants.hosting.answers import mapping, text
from tenants.hosting.base import ServerError, SupervisorGone
from tenants.hosting.kubernetes.bounded_transport import CALL_TIME, CONNECT_TIME, BoundedTransport, TooLong
from tenants.hosting.kubernetes.kinds import BY_KIND
from tenants.hosting.kubernetes.symptoms import Shown, log_lines, one_line

Answer = TypeVar("Answer")

MANAGER = "zenpro"
INSIDE = "in-cluster"
MOST = 5000  # objects of one list
LOG_BYTES = 256 * 1024
UNREADABLE = "The cluster's answer cannot be read."
# What lightkube lets through when an answer is not what it should be.
NONSENSE = (msgspec.MsgspecError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


class ClusterRefused(ServerError):
    """The cluster answered, and said no: `status` is the HTTP status."""

    def __init__(self, status: int, reason: str):
        super().__init__(reason)
        self.status = status


class Cluster:
    """One namespace of one cluster. Its client is kept, and made at the first call.

    Every method raises SupervisorGone when there is no answer, ClusterRefused for a refusal.
    """

    def __init__(self, kubeconfig: str, namespace: str, context: str = ""):
        """`kubeconfig`: a file, or "in-cluster" for the service account of the pod that this runs in."""
        self.kubeconfig, self.namespace, self.context = kubeconfig, namespace, context
        self._client: Client | None = None

    @property
    def client(self) -> Client:
        if self._client is None:
            self._client = client_of(self._config(), self.namespace)
        return self._client

    def _config(self) -> SingleConfig:
        if self.kubeconfig == INSIDE:
            return KubeConfig.from_service_account().get()
        return KubeConfig.from_file(Path(self.kubeconfig)).get(self.context or None)

    def get(self, kind: type, name: str) -> Shown | None:
        """None when there is none."""
        try:
            with sentences():
                return mapping(self.client.get(kind, name))
        except ClusterRefused as error:
            if error.status == 404:
                return None
            raise

    def list(self, kind: type, labels: dict[str, Any], fields: dict[str, str] | None = None) -> list[Shown]:
        """Those with these labels, 5000 at most. A label whose value is None need only be there."""
        with sentences():
            found = self.client.list(kind, labels=labels or None, fields=fields, chunk_size=500)
            return [mapping(one) for one in islice(found, MOST)]

    def apply(self, manifest: dict[str, Any]) -> None:
        """Make it, or change what we once set; what others set stays."""
        with sentences():
            self.client.apply(BY_KIND[manifest["kind"]](manifest), force=True)

    def patch(self, kind: type, name: str, changes: dict[str, Any]) -> None:
        with sentences():
            self.client.patch(kind, name, changes, patch_type=PatchType.MERGE)

    def delete(self, kind: type, name: str, grace: int | None = None) -> None:
        """Also what belongs to it. Nothing happens when it is gone already. `grace`: seconds for a pod to end, else
        those it asks for."""
        try:
            with sentences():
                self.client.delete(kind, name, cascade=CascadeType.BACKGROUND, grace_period=grace)
        except ClusterRefused as error:
            if error.status != 404:
                raise

    def create(self, made: Any) -> Shown:
        """What the cluster made of it."""
        with sentences():
            return mapping(self.client.create(made))

    def make(self, manifest: dict[str, Any]) -> Shown:
        """As the cluster made it. ClusterRefused with 409 when there is one of that name."""
        return self.create(BY_KIND[manifest["kind"]](manifest))

    def log(
        self, pod: str, lines: int, *, container: str = "", previous: bool = False, limit: int = LOG_BYTES
    ) -> list[str]:
        """Last lines of a container's log, oldest first; of more than `limit` bytes the first of them.

        `previous`: of the one that ended before.
        """
        asked = {"tailLines": lines, "limitBytes": limit, "container": container or None}
        asked["previous"] = "true" if previous else None
        with sentences():
            # lightkube's own log() can't ask for the previous container.
            http = self.client._client
            request = http.prepare_request("get", PodLog, name=pod, params=asked)
            answer = http.send(http.build_adapter_request(request))
            http.raise_for_status(answer)
            return log_lines(answer.content.decode(errors="replace"), lines, limit)


def client_of(config: SingleConfig, namespace: str) -> Client:
    """Without proxies and variables of this process: the configuration alone says where the cluster is."""
    config = config._replace(user=config.user or User())
    verify = verify_cluster(config.cluster, config.user, config.abs_file, trust_env=False)
    transport = BoundedTransport(httpx2.HTTPTransport(verify=verify))
    timeout = httpx2.Timeout(CALL_TIME, connect=CONNECT_TIME)
    return Client(
        config,
        namespace=namespace,
        timeout=timeout,
        transport=transport,
        field_manager=MANAGER,
        trust_env=False,
    )


@contextmanager
def sentences() -> Iterator[None]:
    """Turn whatever lightkube raises into a sentence. ApiError comes first: it is an HTTPError too."""
    try:
        yield
    except ApiError as error:
        raise refused(error.response.status_code, error.status.message) from error
    except httpx2.HTTPStatusError as error:
        raise refused(error.response.status_code, "") from error
    except TooLong as error:
        raise SupervisorGone(UNREADABLE) from error
    except httpx2.HTTPError as error:
        raise SupervisorGone(f"The cluster does not answer: {_words(error)}") from error
    except (ConfigError, OSError, yaml.YAMLError) as error:
        raise SupervisorGone(f"ZenPro cannot find the cluster: {one_line(str(error))}") from error
    except NONSENSE as error:
        raise SupervisorGone(UNREADABLE) from error


def _words(error: httpx2.HTTPError) -> str:
    if isinstance(error, httpx2.TimeoutException):
        return "no answer in time."
    return one_line(str(error)) or "no connection."


def refused(code: int, message: Any) -> ServerError:
    """Busy clusters and broken ones pass; everything else is for people to settle."""
    sentence = sentence_of(code, text(message, 2000))
    return SupervisorGone(sentence) if code == 429 or code >= 500 else ClusterRefused(code, sentence)


WEBHOOK = re.compile(r'admission webhook "([^"]+)" denied the request:?\s*', re.IGNORECASE)


def sentence_of(code: int, message: str) -> str:
    """Of a refusal, in our words where we know it and in the cluster's own otherwise."""
    if code == 401:
        return "The cluster does not accept ZenPro's credentials."
    words = one_line(message)
    for is_meant, tell in KNOWN:
        if is_meant(code, words):
            return tell(words)
    return words or f"The cluster answered with status {code}."


def _quota(words: str) -> str:
    return f"The quota of the namespace is used up: {words.partition('exceeded quota: ')[2]}"


def _rule(words: str) -> str:
    return "A rule of the cluster refused it: " + WEBHOOK.sub(r"\1: ", words)


KNOWN: list[tuple[Callable[[int, str], bool], Callable[[str], str]]] = [
    (lambda code, words: code == 403 and "exceeded quota" in words, _quota),
    (lambda code, words: bool(WEBHOOK.search(words)), _rule),
    (
        lambda code, words: code == 403 and "being terminated" in words,
        lambda words: "The namespace is being deleted; ZenPro waits until it is gone.",
    ),
    (
        lambda code, words: code == 403,
        lambda words: f"ZenPro may not do this in the cluster: {words}",
    ),
    (
        lambda code, words: code >= 500 and bool(words),
        lambda words: f"The cluster has trouble of its own: {words}",
    ),
]
