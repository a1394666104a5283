"""The pipeline: two branches that meet in the evaluation."""

from zenml import pipeline

from churn.steps import build_features, evaluate, load_customers, profile, train


@pipeline
def churn():
    """Learns from the customers of the past who is about to leave."""
    customers = load_customers()
    known = profile(customers)
    training_set, test_set = build_features(customers)
    model = train(training_set)
    evaluate(model, test_set, known)
