"""Writes customers.csv. Seeded, so running it again gives the same file byte for byte.

The customers are invented; who leaves follows a rule with some chance in it, so that a model
has something to find and cannot find everything.
"""

import csv
import math
import random
from datetime import date, timedelta
from pathlib import Path

ROWS = 1200
FIRST_SIGNUP = date(2023, 1, 1)
SIGNUP_DAYS = 900
DATA_UNTIL = date(2025, 9, 30)
REGIONS = {"north": 0.30, "south": 0.25, "east": 0.25, "west": 0.20}
PLANS = {"free": 0.25, "team": 0.55, "business": 0.20}
PRICE_PER_SEAT = {"free": 0.0, "team": 12.0, "business": 29.0}
SEATS = {"free": (1, 5), "team": (2, 40), "business": (10, 160)}


def pick(chance: random.Random, weights: dict[str, float]) -> str:
    return chance.choices(list(weights), weights=list(weights.values()))[0]


def tickets(chance: random.Random) -> int:
    """Most customers open few tickets, some open many."""
    return min(int(chance.expovariate(0.55)), 14)


def odds_of_leaving(row: dict) -> float:
    """Log-odds. Tickets hurt small teams most; a long silence hurts everybody."""
    odds = -2.1 + 0.55 * row["support_tickets"] + 0.045 * row["days_since_login"]
    odds -= 0.0016 * (DATA_UNTIL - date.fromisoformat(row["signup_date"])).days
    odds += {"free": 0.9, "team": 0.0, "business": -0.8}[row["plan"]]
    odds += {"north": -0.2, "south": 0.0, "east": 0.1, "west": 0.6}[row["region"]]
    if row["annual_contract"]:
        odds -= 1.1
    if row["support_tickets"] > 4 and row["seats"] > 30:
        odds -= 1.6
    return odds


def customer(chance: random.Random, number: int) -> dict:
    plan = pick(chance, PLANS)
    seats = chance.randint(*SEATS[plan])
    row = {
        "customer_id": f"C{number:05d}",
        "signup_date": (FIRST_SIGNUP + timedelta(days=chance.randrange(SIGNUP_DAYS))).isoformat(),
        "region": pick(chance, REGIONS),
        "plan": plan,
        "seats": seats,
        "monthly_spend": round(PRICE_PER_SEAT[plan] * seats * chance.uniform(0.8, 1.0), 2),
        "annual_contract": int(plan != "free" and chance.random() < 0.4),
        "support_tickets": tickets(chance),
        "days_since_login": min(int(chance.expovariate(0.09)), 90),
    }
    leaving = 1 / (1 + math.exp(-odds_of_leaving(row)))
    return row | {"churned": int(chance.random() < leaving)}


def main() -> None:
    chance = random.Random(20250930)
    rows = [customer(chance, number) for number in range(1, ROWS + 1)]
    with (Path(__file__).parent / "customers.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
