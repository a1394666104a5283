"""One step that says its number; one number is bad luck."""

from zenml import pipeline, step


@step(enable_cache=False)
def count(number: int = 0) -> int:
    print(f"counted {number}.")
    if number == 13:
        raise ValueError("13 is not counted.")
    return number


@pipeline
def counting():
    count()


if __name__ == "__main__":
    counting()
