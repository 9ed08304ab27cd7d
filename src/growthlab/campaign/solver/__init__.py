"""The best plan: arrays of values and costs in, messages and shadow prices out."""
