"""Customers as plain dictionaries, and the numbers a model can learn from."""

import csv
from datetime import date
from pathlib import Path

CUSTOMERS = Path(__file__).resolve().parent.parent / "data" / "customers.csv"
DATA_UNTIL = date(2025, 9, 30)
REGIONS = ("north", "south", "east", "west")
PLANS = ("free", "team", "business")

Customer = dict[str, str | int | float]


def read_customers(path: Path = CUSTOMERS) -> list[Customer]:
    with path.open(newline="") as file:
        return [_typed(row) for row in csv.DictReader(file)]


def _typed(row: dict[str, str]) -> Customer:
    whole = ("seats", "annual_contract", "support_tickets", "days_since_login", "churned")
    typed: Customer = dict(row)
    typed.update({name: int(row[name]) for name in whole})
    typed["monthly_spend"] = float(row["monthly_spend"])
    return typed


def age_in_days(customer: Customer) -> int:
    return (DATA_UNTIL - date.fromisoformat(str(customer["signup_date"]))).days


FEATURES = {
    "seats": lambda customer: customer["seats"],
    "monthly_spend": lambda customer: customer["monthly_spend"],
    "annual_contract": lambda customer: customer["annual_contract"],
    "support_tickets": lambda customer: customer["support_tickets"],
    "days_since_login": lambda customer: customer["days_since_login"],
    "age_in_days": age_in_days,
    "region": lambda customer: [float(customer["region"] == name) for name in REGIONS],
    "plan": lambda customer: [float(customer["plan"] == name) for name in PLANS],
}


def feature_row(customer: Customer, names: list[str]) -> list[float]:
    """The chosen features in order; region and plan become one column per value."""
    row: list[float] = []
    for name in names:
        value = FEATURES[name](customer)
        row.extend(value if isinstance(value, list) else [float(value)])
    return row


def rate(customers: list[Customer]) -> float:
    """Share of customers who left."""
    if not customers:
        return 0.0
    return sum(int(customer["churned"]) for customer in customers) / len(customers)
