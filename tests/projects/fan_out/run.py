"""The same step three times, side by side, and one that waits for all."""

import json

from zenml import log_metadata, pipeline, step


@step
def shard(number: int, weight: float = 1.0) -> float:
    log_metadata({"received": json.dumps({"number": number, "weight": weight})})
    return number * weight


@step
def together(first: float, second: float, third: float) -> float:
    return first + second + third


@pipeline
def fan_out():
    together(*[shard(number=number, id=f"shard_{number}") for number in (1, 2, 3)])


if __name__ == "__main__":
    fan_out()
