"""The only place that starts, stops or calls a ZenML server."""
