"""ZenPro with two more views, to be measured beside its own."""
