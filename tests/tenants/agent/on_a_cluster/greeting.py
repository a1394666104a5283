"""A pipeline of one step, small enough for a cluster that is no more than this machine."""

from zenml import pipeline, step


@step
def greet(name: str = "Ada") -> str:
    print(f"Hello, {name}")
    return f"Hello, {name}"


@pipeline
def greeting(name: str = "Ada"):
    greet(name=name)
