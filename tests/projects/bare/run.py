"""No parameters at all."""

from zenml import pipeline, step


@step
def hello() -> str:
    return "hello"


@pipeline
def bare():
    hello()


if __name__ == "__main__":
    bare()
