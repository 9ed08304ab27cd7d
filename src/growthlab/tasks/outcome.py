"""Moved to growthlab.evaluation.outcome."""

from growthlab.evaluation.outcome import Estimate, Judged, Outcome

__all__ = ["Estimate", "Judged", "Outcome"]
