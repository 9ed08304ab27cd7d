"""Metrics of effects: of customers who were given an arm or nothing at random."""
