"""How many steps there are is only known while it runs."""

import json

from zenml import log_metadata, pipeline, step


@step
def round_of(number: int) -> int:
    log_metadata({"received": json.dumps({"number": number})})
    return number * 2


@pipeline(dynamic=True)
def dynamic(rounds: int = 1, first: int = 10):
    for number in range(first, first + rounds):
        round_of(number=number)


if __name__ == "__main__":
    dynamic()
