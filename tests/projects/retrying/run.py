"""Works at the second try: a file in the working directory tells how often it has been tried."""

import json
from pathlib import Path

from zenml import log_metadata, pipeline, step
from zenml.config.retry_config import StepRetryConfig


@step(retry=StepRetryConfig(max_retries=2, delay=0), enable_cache=False)
def flaky(failures: int = 1) -> int:
    place = Path("tries.txt")
    tries = int(place.read_text()) if place.exists() else 0
    place.write_text(str(tries + 1))
    if tries < failures:
        raise ConnectionError(f"Try {tries + 1} fails.")
    place.unlink()
    log_metadata({"received": json.dumps({"failures": failures, "tries": tries + 1})})
    return tries


@pipeline
def retrying():
    flaky()


if __name__ == "__main__":
    retrying()
