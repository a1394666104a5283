"""Its values are in a file beside it, not in the code."""

import json

from zenml import log_metadata, pipeline, step


@step
def train(rate: float, seeds: list[int]) -> float:
    log_metadata({"received": json.dumps({"rate": rate, "seeds": seeds})})
    return rate * len(seeds)


@step
def report(result: float, title: str = "", extra_lines: int = 0) -> str:
    log_metadata({"received": json.dumps({"title": title, "extra_lines": extra_lines})})
    return "\n".join([title, *[str(result)] * (1 + extra_lines)])


@pipeline
def config_file():
    report(train())


if __name__ == "__main__":
    config_file.with_options(config_path="config.yaml")()
