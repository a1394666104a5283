"""Says when it speaks, so that whoever listens knows how late a line arrives."""

import json
import time

from zenml import log_metadata, pipeline, step


@step(enable_cache=False)
def talk(lines: int = 1, pause: float = 0.4) -> None:
    log_metadata({"received": json.dumps({"lines": lines, "pause": pause})})
    for number in range(lines):
        print(f"line {number} of {lines} at {time.time():.3f} said")
        time.sleep(pause)


@pipeline
def talking():
    talk()


if __name__ == "__main__":
    talking()
