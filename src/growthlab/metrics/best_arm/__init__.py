"""Metrics of giving each customer the arm that is best for it, costs included."""
