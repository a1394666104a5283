from zenml import pipeline

from shop.steps import load, total


@pipeline
def shop():
    total(load())
