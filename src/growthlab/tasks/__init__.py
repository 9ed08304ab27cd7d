"""Fold to examples, fit, scores and metrics, the same way for every model of a task."""
