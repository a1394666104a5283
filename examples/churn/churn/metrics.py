"""How good are the guesses?"""


def accuracy(labels: list[int], guesses: list[float], threshold: float) -> float:
    right = sum((guess >= threshold) == bool(y) for y, guess in zip(labels, guesses, strict=True))
    return right / len(labels) if labels else 0.0


def precision_recall(labels: list[int], guesses: list[float], threshold: float) -> tuple[float, float]:
    flagged = [y for y, guess in zip(labels, guesses, strict=True) if guess >= threshold]
    precision = sum(flagged) / len(flagged) if flagged else 0.0
    recall = sum(flagged) / sum(labels) if sum(labels) else 0.0
    return precision, recall


def auc(labels: list[int], guesses: list[float]) -> float:
    """Chance that a customer who left is ranked above one who stayed; ties count half."""
    left = [guess for y, guess in zip(labels, guesses, strict=True) if y]
    stayed = [guess for y, guess in zip(labels, guesses, strict=True) if not y]
    if not left or not stayed:
        return 0.5
    wins = sum((a > b) + 0.5 * (a == b) for a in left for b in stayed)
    return wins / (len(left) * len(stayed))


def cost(
    labels: list[int], guesses: list[float], threshold: float, call: float, lost_customer: float
) -> float:
    """Money lost: a call to everybody flagged, a customer for everybody missed."""
    flagged = [guess >= threshold for guess in guesses]
    missed = sum(1 for y, flag in zip(labels, flagged, strict=True) if y and not flag)
    return sum(flagged) * call + missed * lost_customer
