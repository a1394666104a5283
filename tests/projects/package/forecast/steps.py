import json
from typing import Annotated, Literal

from pydantic import Field
from zenml import log_metadata, step

from .models.mean import mean


@step
def history() -> list:
    return [3.0, 5.0, 4.0]


@step
def forecast(
    numbers: list,
    horizon: Annotated[int, Field(ge=1, le=12, description="Months ahead")] = 3,
    method: Literal["mean", "last"] = "mean",
) -> Annotated[list, "predicted"]:
    log_metadata({"received": json.dumps({"horizon": horizon, "method": method})})
    return [mean(numbers) if method == "mean" else numbers[-1]] * horizon
