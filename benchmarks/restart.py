"""How long tenants get no answer while our web process is reloaded, and when it is killed.

    .venv/bin/python -m benchmarks.restart

Starts a ZenPro of its own in a temporary folder without a demo, and asks it every 20 ms; about a minute.
"""

import os
import signal
import tempfile
import threading
import time
from pathlib import Path

import httpx

from tests.journey.installation import Installation

PATIENCE = 4  # seconds that a tenant's server waits for an answer
WATCHED = 15  # seconds


def watch(url: str, until: float, seen: list) -> None:
    """(seconds waited, answered?) of one question after the other, each on a connection of its own."""
    while time.monotonic() < until:
        began = time.monotonic()
        try:
            answered = httpx.get(f"{url}/livez", timeout=PATIENCE, trust_env=False).is_success
        except httpx.HTTPError:
            answered = False
        seen.append((time.monotonic() - began, answered, began))
        time.sleep(0.02)


def measure(zenpro: Installation, name: str, number: int) -> None:
    seen = []
    watcher = threading.Thread(target=watch, args=(zenpro.url, time.monotonic() + WATCHED, seen))
    watcher.start()
    time.sleep(1)
    os.kill(zenpro.program_pid("web"), number)
    watcher.join()
    refused = [began for _, answered, began in seen if not answered]
    gap = refused[-1] - refused[0] if refused else 0
    slowest = max(waited for waited, answered, _ in seen if answered)
    print(
        f"{name:<8} {len(refused):4} of {len(seen)} without an answer, over {gap:4.1f} s; slowest answer {slowest:4.2f} s"
    )


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="zenpro-bench-") as folder:
        zenpro = Installation(Path(folder) / "data")
        zenpro.data.mkdir()
        try:
            zenpro.up("--no-demo")
            measure(zenpro, "reload", signal.SIGHUP)
            measure(zenpro, "killed", signal.SIGKILL)
        finally:
            zenpro.close()


if __name__ == "__main__":
    main()
