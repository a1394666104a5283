"""The time in the cluster. Tests move it on instead of waiting for deadlines."""

import time
from datetime import UTC, datetime


class Clock:
    def __init__(self):
        self.ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead

    def forward(self, seconds: float) -> None:
        self.ahead += seconds

    def stamp(self) -> str:
        """As objects carry times: whole seconds."""
        return datetime.fromtimestamp(self.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def since(self, stamp: str) -> float:
        """Seconds since a stamp."""
        return self.now() - datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
