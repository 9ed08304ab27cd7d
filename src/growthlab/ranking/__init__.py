"""Masks, exact top-k, ties and the fallback: the same code ranks in evaluation and in serving."""
