"""Three small classifiers without dependencies. A model is a dictionary, so it can be stored as JSON."""

import math

Rows = list[list[float]]
Model = dict


def logistic(rows: Rows, labels: list[int], weights: list[float], settings: dict) -> Model:
    """Gradient descent on the weighted log loss; `settings`: rounds, learning_rate, l2 or None."""
    coefficients, bias = [0.0] * len(rows[0]), 0.0
    step = settings["learning_rate"] / sum(weights)
    # Dividing instead of subtracting keeps a large l2 from overshooting zero and growing.
    shrink = 1 / (1 + settings["learning_rate"] * (settings["l2"] or 0.0))
    for number in range(1, settings["rounds"] + 1):
        slopes, bias_slope, loss = _gradient(rows, labels, weights, coefficients, bias)
        coefficients = [
            shrink * (value - step * slope) for value, slope in zip(coefficients, slopes, strict=True)
        ]
        bias -= step * bias_slope
        if number % max(1, settings["rounds"] // 5) == 0:
            print(f"round {number}: loss {loss / sum(weights):.4f}")
    return {"kind": "logistic", "coefficients": coefficients, "bias": bias}


def _gradient(rows, labels, weights, coefficients, bias) -> tuple[list[float], float, float]:
    slopes, bias_slope, loss = [0.0] * len(coefficients), 0.0, 0.0
    for row, label, weight in zip(rows, labels, weights, strict=True):
        guess = sigmoid(bias + _dot(coefficients, row))
        error = weight * (guess - label)
        bias_slope += error
        slopes = [slope + error * value for slope, value in zip(slopes, row, strict=True)]
        loss -= weight * math.log(max(guess if label else 1 - guess, 1e-12))
    return slopes, bias_slope, loss


def stumps(rows: Rows, labels: list[int], weights: list[float], settings: dict) -> Model:
    """AdaBoost over one-question trees; `settings`: rounds."""
    weights, votes = [weight / sum(weights) for weight in weights], []
    splits = _candidate_splits(rows)
    targets = [1 if label else -1 for label in labels]
    for number in range(1, settings["rounds"] + 1):
        error, column, cut, sign = _best_stump(rows, targets, weights, splits)
        say = 0.5 * math.log((1 - error) / max(error, 1e-9)) * settings["learning_rate"]
        votes.append([column, cut, sign, say])
        weights = _reweighted(rows, targets, weights, votes[-1])
        if number % max(1, settings["rounds"] // 5) == 0:
            print(f"round {number}: weighted error {error:.4f}")
    return {"kind": "stumps", "votes": votes}


def _candidate_splits(rows: Rows, most: int = 12) -> list[tuple[int, float]]:
    """A few cuts per column, at its quantiles."""
    splits = []
    for column in range(len(rows[0])):
        values = sorted({row[column] for row in rows})
        picks = {values[index * (len(values) - 1) // most] for index in range(most)}
        splits.extend((column, cut) for cut in sorted(picks))
    return splits


def _best_stump(rows, targets, weights, splits) -> tuple[float, int, float, int]:
    best = (1.0, 0, 0.0, 1)
    for column, cut in splits:
        error = sum(
            weight
            for row, target, weight in zip(rows, targets, weights, strict=True)
            if (row[column] > cut) != (target > 0)
        )
        sign = 1 if error <= 0.5 else -1
        best = min(best, (min(error, 1 - error), column, cut, sign))
    return best


def _reweighted(rows, targets, weights, vote) -> list[float]:
    column, cut, sign, say = vote
    scaled = [
        weight * math.exp(-say * target * sign * (1 if row[column] > cut else -1))
        for row, target, weight in zip(rows, targets, weights, strict=True)
    ]
    total = sum(scaled)
    return [weight / total for weight in scaled]


def neighbours(rows: Rows, labels: list[int], weights: list[float], settings: dict) -> Model:
    """Keeps the rows; the answer is the weighted share among the `k` nearest ones."""
    return {
        "kind": "neighbours",
        "k": min(settings["k"], len(rows)),
        "rows": rows,
        "labels": labels,
        "weights": weights,
    }


def probability(model: Model, row: list[float]) -> float:
    """How likely the customer of this row leaves, 0..1."""
    return _SCORERS[model["kind"]](model, row)


def _logistic_probability(model: Model, row: list[float]) -> float:
    return sigmoid(model["bias"] + _dot(model["coefficients"], row))


def _stumps_probability(model: Model, row: list[float]) -> float:
    votes = (say * sign * (1 if row[column] > cut else -1) for column, cut, sign, say in model["votes"])
    return sigmoid(2 * sum(votes))


def _neighbours_probability(model: Model, row: list[float]) -> float:
    distances = ((math.dist(row, other), index) for index, other in enumerate(model["rows"]))
    nearest = [index for _, index in sorted(distances)[: model["k"]]]
    total = sum(model["weights"][index] for index in nearest)
    return sum(model["weights"][index] * model["labels"][index] for index in nearest) / total


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-max(-35.0, min(35.0, value))))


def _dot(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


LEARNERS = {"logistic": logistic, "stumps": stumps, "neighbours": neighbours}
_SCORERS = {
    "logistic": _logistic_probability,
    "stumps": _stumps_probability,
    "neighbours": _neighbours_probability,
}
