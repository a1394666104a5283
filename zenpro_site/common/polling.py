"""What a page that asks again has seen, in one word: one that has seen everything is told so, and stays as it is."""

import hashlib
import time
from typing import Any

SLOW_TICK = 15  # seconds after which times that go on are shown anew in lists
MINUTE = 60  # "5 min ago" grows old


def digest(*parts: Any) -> str:
    """Equal for equal values that Python writes in one way: texts, numbers, times, tuples and lists of these."""
    return hashlib.sha256(repr(parts).encode(errors="replace")).hexdigest()[:20]


def tick(live: bool) -> int:
    """For lists: changes when the times in them are to be shown anew. `live`: does one of them go on?"""
    return int(time.time() // (SLOW_TICK if live else MINUTE))
