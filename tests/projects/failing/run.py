"""Fails as it is, and works with another limit."""

import json

from zenml import log_metadata, pipeline, step


@step
def measure() -> float:
    return 0.4


@step
def check(error: float, most: float = 0.1) -> None:
    log_metadata({"received": json.dumps({"most": most})})
    if error > most:
        raise ValueError(f"The error is {error}, which is more than {most}.")


@pipeline
def failing():
    check(measure())


if __name__ == "__main__":
    failing()
