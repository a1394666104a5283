from zenml import pipeline

from .steps import forecast, history


@pipeline(name="sales forecast")
def sales():
    forecast(history())
