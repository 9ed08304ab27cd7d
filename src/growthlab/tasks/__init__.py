"""Tasks: from a fold to data, fit, answers and metrics, the same way for every model."""
