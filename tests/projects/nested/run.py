"""Models in models, lists of them, unions and dictionaries."""

from enum import Enum
from typing import Annotated, Literal

from pydantic import BaseModel, Field
from zenml import log_metadata, pipeline, step


class Metric(Enum):
    AUC = "auc"
    LOSS = "loss"


class Stop(BaseModel):
    rounds: int = Field(25, ge=5, le=200)
    metric: Metric = Metric.AUC


class Lasso(BaseModel):
    kind: Literal["lasso"] = "lasso"
    alpha: float = 1.0


class Forest(BaseModel):
    kind: Literal["forest"] = "forest"
    trees: int = 100
    depth: int | None = None


class Segment(BaseModel):
    name: str = Field(min_length=1)
    plans: list[Literal["free", "pro"]] = []
    stop: Stop | None = None


class Settings(BaseModel):
    rate: float = 0.1
    stop: Stop = Stop()
    model: Annotated[Lasso | Forest, Field(discriminator="kind")] = Forest(depth=4)
    segments: list[Segment] = [Segment(name="teams", plans=["pro"]), Segment(name="all", stop=Stop(rounds=9))]
    weights: dict[str, float] = {"stayed": 1.0, "left": 3.5}
    limit: int | str | None = "none yet"


@step
def train(settings: Settings, labels: dict[str, list[str]]) -> int:
    log_metadata({"received": settings.model_dump_json(), "labels": len(labels)})
    return len(settings.segments)


@pipeline
def nested():
    train(settings=Settings(), labels={"a": ["x"], "b": []})


if __name__ == "__main__":
    nested()
