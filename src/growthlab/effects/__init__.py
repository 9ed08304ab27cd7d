"""Experiments and off-policy value: what an action changed, with the name of what may be claimed."""
