"""A pipeline small enough for a cluster that is no more than this machine.

`gate`: a file the greeting waits for; it fails with what is written there.
"""

import time
from pathlib import Path

from zenml import pipeline, step


@step(enable_cache=False)
def greet(name: str = "Ada", gate: str = "") -> str:
    print(f"Hello, {name}", flush=True)
    while gate and not Path(gate).exists():
        time.sleep(0.1)
    if said := gate and Path(gate).read_text():
        raise ValueError(said)
    return f"Hello, {name}"


@step
def part() -> str:
    return "Goodbye"


@pipeline
def greeting(name: str = "Ada"):
    greet(name=name, gate="")
    part(after="greet")
