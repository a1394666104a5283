"""Startup, readiness and liveness of a container that is a real program.

Asked ten times a second, whatever `periodSeconds` says, so that tests need not wait; what has failed for
`periodSeconds` times `failureThreshold` counts as failed, by the cluster's clock.
"""

import http.client
import socket
from contextlib import closing

from .clock import Clock

PERIOD = 0.1


class Probes:
    def __init__(self, container: dict, clock: Clock):
        self.clock, self.ports = (
            clock,
            {one.get("name"): one["containerPort"] for one in container.get("ports") or []},
        )
        self.startup, self.readiness, self.liveness = (
            container.get(f"{name}Probe") for name in ("startup", "readiness", "liveness")
        )
        self.any = bool(self.startup or self.readiness or self.liveness)
        self.started = not self.startup
        self.ready = self.started and not self.readiness
        self.good = dict.fromkeys(("startup", "readiness", "liveness"), clock.now())

    def ask(self) -> bool:
        """Once. False when the container is to be ended."""
        if not self.started:
            self.started = self._succeeds("startup", self.startup)
            self.good |= dict.fromkeys(("readiness", "liveness"), self.clock.now())
            if not self.started:
                return not self._has_failed("startup", self.startup)
        self._ask_readiness()
        alive = not self.liveness or self._succeeds("liveness", self.liveness)
        return alive or not self._has_failed("liveness", self.liveness)

    def _ask_readiness(self) -> None:
        if not self.readiness or self._succeeds("readiness", self.readiness):
            self.ready = True
        elif self._has_failed("readiness", self.readiness):
            self.ready = False

    def _has_failed(self, name: str, probe: dict) -> bool:
        patience = probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)
        return self.clock.now() - self.good[name] >= patience

    def _succeeds(self, name: str, probe: dict) -> bool:
        good = self._answers(probe)
        if good:
            self.good[name] = self.clock.now()
        return good

    def _answers(self, probe: dict) -> bool:
        seconds, way = probe.get("timeoutSeconds", 1), probe.get("httpGet") or probe.get("tcpSocket")
        if not way:
            return True  # by a command: not known here
        port = self.ports.get(way["port"], way["port"])
        try:
            if "tcpSocket" in probe:
                socket.create_connection(("127.0.0.1", port), seconds).close()
                return True
            return _status(port, way, seconds) < 400
        except (OSError, http.client.HTTPException):
            return False


def _status(port: int, way: dict, seconds: float) -> int:
    """As a kubelet, which calls a pod by an address that no server has heard of, unless the probe names a host."""
    headers = {"User-Agent": "kube-probe/1.34", "Host": f"10.244.0.7:{port}"}
    headers |= {one["name"]: one["value"] for one in way.get("httpHeaders", [])}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)) as connection:
        connection.request("GET", way.get("path", "/"), headers=headers)
        return connection.getresponse().status
