"""The steps. Their parameters, with types and limits, are what a re-run can change."""

import random
from collections import defaultdict
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, Field
from zenml import log_metadata, step
from zenml.config.cache_policy import CachePolicy
from zenml.types import MarkdownString

from churn import learners, metrics
from churn.data import FEATURES, REGIONS, feature_row, rate, read_customers

Weight = Annotated[float, Field(gt=0, le=100)]


class Costs(BaseModel, extra="forbid"):
    """In money: one call, and one customer who left without having been called."""

    call: float = Field(5.0, ge=0)
    lost_customer: float = Field(90.0, ge=0)


ALL_REGIONS = list(REGIONS)
ALL_FEATURES = list(FEATURES)
EQUAL_WEIGHTS = {"stayed": 1.0, "left": 1.0}
USUAL_COSTS = Costs()


@step(cache_policy=CachePolicy(file_dependencies=["data/customers.csv"]))
def load_customers(
    signed_up_from: Annotated[
        date, Field(description="Leave out customers who signed up before this day")
    ] = date(2023, 1, 1),
    regions: Annotated[
        list[str], Field(description="Any of north, south, east, west", min_length=1)
    ] = ALL_REGIONS,
    include_free_plan: bool = True,
    max_customers: Annotated[int | None, Field(ge=100, le=5000, description="Empty for all of them")] = None,
) -> Annotated[list, "customers"]:
    """Reads the customers worth looking at."""
    unknown = sorted(set(regions) - set(REGIONS))
    if unknown:
        raise ValueError(f"No such region: {', '.join(unknown)}. Known: {', '.join(REGIONS)}.")
    customers = [
        customer
        for customer in read_customers()
        if customer["region"] in regions
        and date.fromisoformat(customer["signup_date"]) >= signed_up_from
        and (include_free_plan or customer["plan"] != "free")
    ][:max_customers]
    print(f"{len(customers)} customers since {signed_up_from:%d %B %Y}, {rate(customers):.1%} left")
    if len(customers) < 50:
        raise ValueError(f"Only {len(customers)} customers are left; 50 are needed to learn.")
    log_metadata({"customers": len(customers), "churn_rate": round(rate(customers), 4)})
    return customers


@step
def profile(
    customers: list,
    group_by: Literal["region", "plan", "annual_contract"] = "region",
) -> Annotated[dict, "profile"]:
    """Churn per group of customers: what anybody knows without a model."""
    groups: dict[str, list] = defaultdict(list)
    for customer in customers:
        groups[str(customer[group_by])].append(customer)
    rates = {name: round(rate(members), 4) for name, members in sorted(groups.items())}
    for name, share in rates.items():
        print(f"{group_by} {name}: {len(groups[name])} customers, {share:.1%} left")
    log_metadata({"churn_rate_by_group": rates})
    return {"group_by": group_by, "churn_rate": round(rate(customers), 4), "groups": rates}


@step
def build_features(
    customers: list,
    features: Annotated[
        list[str], Field(min_length=1, description=f"Any of {', '.join(FEATURES)}")
    ] = ALL_FEATURES,
    test_share: Annotated[float, Field(ge=0.1, le=0.5)] = 0.25,
    scale: Annotated[bool, Field(description="Give every column mean 0 and deviation 1")] = True,
    seed: Annotated[int, Field(ge=0)] = 7,
) -> tuple[Annotated[dict, "training_set"], Annotated[dict, "test_set"]]:
    """Turns customers into numbers and keeps some of them aside for the test."""
    unknown = sorted(set(features) - set(FEATURES))
    if unknown:
        raise ValueError(f"No such feature: {', '.join(unknown)}. Known: {', '.join(FEATURES)}.")
    shuffled = random.Random(seed).sample(customers, len(customers))
    cut = round(len(shuffled) * test_share)
    test, training = _table(shuffled[:cut], features), _table(shuffled[cut:], features)
    if scale:
        _scale(training["rows"], test["rows"])
    print(f"{len(training['rows'])} rows to learn from, {len(test['rows'])} to test on")
    log_metadata({"columns": len(training["rows"][0]), "test_rows": len(test["rows"])})
    return training, test


def _table(customers: list, features: list[str]) -> dict:
    return {
        "rows": [feature_row(customer, features) for customer in customers],
        "labels": [customer["churned"] for customer in customers],
        "regions": [customer["region"] for customer in customers],
    }


def _scale(training: list, test: list) -> None:
    """In place, by the training rows alone: the test must stay unseen."""
    for column in range(len(training[0])):
        values = [row[column] for row in training]
        mean = sum(values) / len(values)
        spread = (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5 or 1.0
        for row in training + test:
            row[column] = (row[column] - mean) / spread


@step
def train(
    training_set: dict,
    kind: Literal["logistic", "stumps", "neighbours"] = "logistic",
    rounds: Annotated[int, Field(ge=1, le=1000, description="For logistic and stumps")] = 120,
    learning_rate: Annotated[float, Field(gt=0, le=2)] = 0.8,
    l2: Annotated[float | None, Field(ge=0, le=1, description="For logistic")] = None,
    k: Annotated[int, Field(ge=1, le=200, description="For neighbours")] = 15,
    class_weights: Annotated[
        dict[Literal["stayed", "left"], Weight],
        Field(description="How much one customer counts, by what became of them"),
    ] = EQUAL_WEIGHTS,
) -> Annotated[dict, "model"]:
    """Learns to tell who leaves."""
    labels = training_set["labels"]
    weights = [class_weights.get("left" if label else "stayed", 1.0) for label in labels]
    settings = {"rounds": rounds, "learning_rate": learning_rate, "l2": l2, "k": k}
    print(f"Training {kind} on {len(labels)} customers")
    model = learners.LEARNERS[kind](training_set["rows"], labels, weights, settings)
    guesses = [learners.probability(model, row) for row in training_set["rows"]]
    score = round(metrics.auc(labels, guesses), 4)
    print(f"AUC on the training set: {score}")
    log_metadata({"kind": kind, "training_auc": score})
    return model


@step
def evaluate(
    model: dict,
    test_set: dict,
    profile: dict,
    threshold: Annotated[
        float, Field(gt=0, lt=1, description="Call a customer from this probability on")
    ] = 0.5,
    min_auc: Annotated[float, Field(ge=0, le=1, description="Fail the run below it")] = 0.0,
    costs: Annotated[Costs, Field(description="What a mistake costs")] = USUAL_COSTS,
    title: Annotated[str, Field(min_length=1, max_length=80)] = "Who is about to leave?",
) -> tuple[Annotated[dict, "scores"], Annotated[MarkdownString, "report"]]:
    """Measures the model on customers it has not seen."""
    labels = test_set["labels"]
    guesses = [learners.probability(model, row) for row in test_set["rows"]]
    scores = _scores(labels, guesses, threshold, costs)
    by_region = _auc_by_region(test_set, guesses)
    print(", ".join(f"{name} {value}" for name, value in scores.items()))
    log_metadata({**scores, "auc_by_region": by_region})
    if scores["auc"] < min_auc:
        raise RuntimeError(f"AUC {scores['auc']} is below the wanted {min_auc}.")
    report = _report(title, model["kind"], scores, by_region, profile)
    return {**scores, "auc_by_region": by_region}, MarkdownString(report)


def _scores(labels: list, guesses: list, threshold: float, costs: Costs) -> dict:
    precision, recall = metrics.precision_recall(labels, guesses, threshold)
    lost = metrics.cost(labels, guesses, threshold, costs.call, costs.lost_customer)
    scores = {
        "accuracy": metrics.accuracy(labels, guesses, threshold),
        "auc": metrics.auc(labels, guesses),
        "precision": precision,
        "recall": recall,
        "cost_per_customer": lost / len(labels),
    }
    return {name: round(value, 4) for name, value in scores.items()}


def _auc_by_region(test_set: dict, guesses: list) -> dict:
    groups: dict[str, list] = defaultdict(list)
    rows = zip(test_set["regions"], test_set["labels"], guesses, strict=True)
    for region, label, guess in rows:
        groups[region].append((label, guess))
    return {
        region: round(metrics.auc(*map(list, zip(*pairs, strict=True))), 4)
        for region, pairs in sorted(groups.items())
    }


def _report(title: str, kind: str, scores: dict, by_region: dict, profile: dict) -> str:
    lines = [f"# {title}", "", f"Model: {kind}", "", "| score | value |", "|-|-|"]
    lines += [f"| {name} | {value} |" for name, value in scores.items()]
    lines += [f"| auc, {region} | {value} |" for region, value in by_region.items()]
    lines += ["", f"| {profile['group_by']} | left |", "|-|-|"]
    lines += [f"| {name} | {share:.1%} |" for name, share in profile["groups"].items()]
    return "\n".join(lines)
