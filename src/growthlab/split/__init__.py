"""Splitting a log into what may be known at a cutoff and what is to be predicted."""
