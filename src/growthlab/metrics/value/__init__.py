"""Metrics of predicted value."""
