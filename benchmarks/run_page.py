"""What a wide run and a long log cost a page, beside what they cost when every step and every line is looked at.

    python -m benchmarks.run_page

Nothing is started and nothing asked: the drawing of 300 steps side by side, grouped and one by one, and the window of a
log of 50,000 lines, beside reading all of it. A few seconds.
"""

import json
import os
import time
from collections.abc import Callable
from uuid import uuid4

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

from tenants.runs.log_files import LogFile
from tenants.runs.reading import StepRow
from tenants.runs.run_graph import places, shown
from tenants.runs.step_logs import LogChoice, window

STEPS, LINES, ROUNDS = 300, 50_000, 5
TARGET = 0.15  # of what it costs without


def milliseconds(work: Callable[[], object]) -> float:
    """Processor time of the quickest of some rounds."""
    found = []
    for _ in range(ROUNDS):
        places.cache_clear()
        began = time.process_time()
        work()
        found.append((time.process_time() - began) * 1000)
    return min(found)


def row(what: str, cost: float, baseline: float) -> None:
    print(f"{what:<42} {cost:8.1f} ms   {cost / baseline:5.2f} × all   should be ≤ {TARGET}")


def main() -> None:
    folds = [StepRow(f"fold_{n}", "completed", uuid4()) for n in range(STEPS - 2)]
    steps = [StepRow("load", "completed", uuid4()), *folds, StepRow("join", "completed", uuid4())]
    edges = tuple([("load", fold.name) for fold in folds] + [(fold.name, "join") for fold in folds])
    alone = milliseconds(lambda: shown(steps, edges, grouped=False).graph())
    row(f"graph of {STEPS} steps, grouped", milliseconds(lambda: shown(steps, edges).graph()), alone)
    said = {"level": 20, "timestamp": "2026-11-26T13:48:11.271567Z", "name": "unknown", "id": str(uuid4())}
    data = "".join(
        json.dumps({"message": f"row {n}: loss 0.25", **said}) + "\n" for n in range(LINES)
    ).encode()
    whole = milliseconds(lambda: list(LogFile(data)))
    row(f"end of a log of {LINES:,} lines", milliseconds(lambda: window(LogFile(data), LogChoice())), whole)


if __name__ == "__main__":
    main()
