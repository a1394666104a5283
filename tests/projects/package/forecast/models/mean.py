def mean(numbers: list) -> float:
    return sum(numbers) / len(numbers)
