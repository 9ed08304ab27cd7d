"""Metrics of churn probabilities."""
