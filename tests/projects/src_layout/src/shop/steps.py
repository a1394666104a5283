"""Reads relative to the working directory, which is not where modules are imported from."""

import csv
import json
from pathlib import Path

from zenml import log_metadata, step


@step
def load(file: str = "data/orders.csv") -> list:
    with open(Path(file), newline="") as orders:
        return list(csv.DictReader(orders))


@step
def total(orders: list, least: float = 10.0) -> float:
    log_metadata({"received": json.dumps({"least": least})})
    return sum(float(order["amount"]) for order in orders if float(order["amount"]) >= least)
