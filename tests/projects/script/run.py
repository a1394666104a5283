"""Everything in one file: the steps are those of `__main__`."""

import json
from datetime import date

from zenml import log_metadata, pipeline, step


@step
def one(word: str = "a b", count: int = 3, since: date = date(2026, 11, 24)) -> str:
    log_metadata({"received": json.dumps({"word": word, "count": count, "since": since.isoformat()})})
    return word * count


@step
def two(words: str, upper: bool = False) -> str:
    log_metadata({"received": json.dumps({"upper": upper})})
    return words.upper() if upper else words


@pipeline
def script():
    two(one())


if __name__ == "__main__":
    script()
