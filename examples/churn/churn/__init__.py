"""Which customers are about to leave? A small ZenML project in plain Python."""
