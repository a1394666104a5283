"""Steps with every type of parameter that ZenML takes, and the schemas and defaults that it records of them.

ZenML 0.98 makes a pydantic model of the parameters of a step and records `model_json_schema()` of it
(`create_parameter_model` in zenml/utils/pydantic_utils.py), and the values as JSON. `recorded()` does the same here;
tests/data/parameter_corpus.json keeps what it gives, so that a newer pydantic that writes other schemas is noticed.

    python -m tests.tenants.run_templates.parameter_corpus > tests/data/parameter_corpus.json
"""

import json
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Optional
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr, create_model
from typing_extensions import TypedDict

FILE = Path(__file__).parents[2] / "data" / "parameter_corpus.json"


class Metric(Enum):
    AUC = "auc"
    LOSS = "loss"


class EarlyStopping(BaseModel):
    rounds: int = Field(25, ge=5, le=200)
    metric: Metric = Metric.AUC
    min_delta: float = Field(0.0005, ge=0)


class Booster(BaseModel):
    """How the trees are grown."""

    learning_rate: float = Field(0.1, gt=0, le=0.5, description="Smaller is slower")
    n_estimators: int = Field(300, ge=50, le=2000)
    max_depth: int | None = 6
    early_stopping: EarlyStopping | None = EarlyStopping()


class Segment(BaseModel):
    name: str = Field(min_length=1)
    plans: list[Literal["free", "starter", "pro", "enterprise"]] = []
    min_rows: int
    weight: float = 1.0
    since: date | None = None


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    on: bool = True
    names: list[str] = ["a", "b"]


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    on: bool = True


class Lasso(BaseModel):
    kind: Literal["lasso"] = "lasso"
    alpha: float = 1.0


class Forest(BaseModel):
    kind: Literal["forest"] = "forest"
    trees: int = 100
    depth: int | None = None


class Constant(BaseModel):
    value: float = 0.0


class Tree(BaseModel):
    name: str = "root"
    children: list["Tree"] = []
    parent: Optional["Tree"] = None


class Columns(TypedDict, total=False):
    name: str
    width: int


class Store(BaseModel):
    url: str = "https://example.org"
    password: SecretStr | None = None


Model = Annotated[Lasso | Forest, Field(discriminator="kind")]
TREE = Tree(children=[Tree(name="a", children=[Tree(name="b")])])
SEGMENTS = [Segment(name="teams", plans=["pro"], min_rows=2000), Segment(name="all", min_rows=1)]
# step -> parameter -> (annotation, default)
STEPS: dict[str, dict[str, tuple[Any, Any]]] = {
    "scalars": {
        "whole": (int, 3),
        "number": (float, 1e-05),
        "text": (str, "a b"),
        "on": (bool, True),
        "day": (date, date(2026, 11, 24)),
        "moment": (datetime, datetime(2026, 11, 24, 14, 30)),
        "clock": (time, time(14, 30)),
        "span": (timedelta, timedelta(hours=2)),
        "exact": (Decimal, Decimal("1.10")),
        "id": (UUID, UUID(int=7)),
        "folder": (Path, Path("data/raw")),
        "choice": (Literal["a", "b", 3], "b"),
        "enum": (Metric, Metric.LOSS),
        "long": (Annotated[str, Field(max_length=4000)], "SELECT 1\nFROM t\n"),
        "limited": (Annotated[int, Field(ge=5, le=95, multiple_of=10)], 10),
        "anything": (Any, {"a": [1, None]}),
    },
    "nullable": {
        "whole": (int | None, None),
        "text": (str | None, "x"),
        "on": (bool | None, None),
        "day": (date | None, None),
        "enum": (Metric | None, Metric.AUC),
        "texts": (list[str] | None, None),
        "model": (EarlyStopping | None, None),
        "table": (dict[str, float] | None, {"a": 1.0}),
        "list_of_models": (list[Segment] | None, None),
    },
    "lists": {
        "texts": (list[str], ["north", "south"]),
        "numbers": (list[float], [0.5, 1.0]),
        "choices": (list[Metric], [Metric.AUC]),
        "days": (list[date], [date(2026, 11, 24)]),
        "switches": (list[bool], [True, False]),
        "with_none": (list[int | None], [1, None]),
        "nested": (list[list[int]], [[1, 2], []]),
        "mixed": (list[int | str], [1, "a"]),
        "set": (set[str], {"a"}),
        "pair": (tuple[int, str], (1, "a")),
        "triples": (list[tuple[float, float, bool]], [(0.1, 0.2, True)]),
        "any": (list[Any], [1, {"a": 2}]),
        "bare": (list, [1]),
    },
    "dictionaries": {
        "texts": (dict[str, str], {"cust_id": "customer_id", "mrr": "spend"}),
        "numbers": (dict[str, float], {"stayed": 1.0, "left": 3.5}),
        "by_choice": (dict[Metric, int], {Metric.AUC: 1}),
        "by_number": (dict[int, bool], {1: True}),
        "of_lists": (dict[str, list[str]], {"a": ["x", "y"], "b": []}),
        "of_models": (dict[str, EarlyStopping], {"fast": EarlyStopping(rounds=5)}),
        "of_any": (dict[str, Any], {"a": [1, {"b": None}]}),
        "bare": (dict, {"a": 1}),
        "typed": (Columns, {"name": "x", "width": 3}),
    },
    "models": {
        "booster": (Booster, Booster()),
        "closed": (Closed, Closed()),
        "open": (Open, Open()),
        "open_with_more": (Open, Open(more=1)),
        "segments": (list[Segment], SEGMENTS),
        "tree": (Tree, TREE),
    },
    "unions": {
        "scalar": (int | str, "7"),
        "number": (int | float, 1.5),
        "scalar_or_none": (int | str | None, None),
        "marked": (Model, Lasso()),
        "marked_or_none": (Model | None, Forest()),
        "unmarked": (EarlyStopping | Constant, Constant()),
        "model_or_text": (EarlyStopping | str, "default"),
        "list_or_text": (list[str] | str, ["a"]),
        "list_of_marked": (list[Model], [Lasso(), Forest(depth=3)]),
        "table_of_unions": (dict[str, int | str | None], {"a": 1, "b": "x", "c": None}),
    },
    "secrets": {
        "token": (SecretStr, SecretStr("hunter2")),
        "store": (Store, Store(password=SecretStr("hunter2"))),
    },
}


def recorded() -> dict[str, Any]:
    """step -> its schema and its values as JSON."""
    return {name: _recorded(name, parameters) for name, parameters in STEPS.items()}


def _recorded(step: str, parameters) -> dict[str, Any]:
    config = ConfigDict(extra="forbid", serialize_by_alias=True)
    model = create_model(f"{step.title()}Parameters", __config__=config, **parameters)
    values = json.loads(model().model_dump_json(by_alias=True))
    return {"schema": model.model_json_schema(), "values": values}


@cache
def kept() -> dict[str, Any]:
    """What is on file."""
    return json.loads(FILE.read_text())


def corpus_snapshot(*steps: str, **values: Any) -> dict[str, Any]:
    """A snapshot of these steps, or of all; `values`: of parameters of the only step."""
    found = kept()
    configurations = {
        name: {
            "spec": {
                "upstream_steps": [],
                "parameter_spec": found[name]["schema"],
                "source": {"module": "a.b", "type": "user"},
            },
            "config": {"parameters": {**found[name]["values"], **values}},
            "step_config_overrides": {},
        }
        for name in steps or found
    }
    return {
        "body": {"is_dynamic": False},
        "metadata": {
            "run_name_template": "corpus-{date}-{time}",
            "pipeline_configuration": {"name": "corpus"},
            "step_configurations": configurations,
        },
    }


if __name__ == "__main__":
    print(json.dumps(recorded(), indent=1))
