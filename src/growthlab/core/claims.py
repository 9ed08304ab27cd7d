"""What a number about an action may be called: each name needs data of its own kind."""

from __future__ import annotations

from enum import StrEnum


class Claim(StrEnum):
    """The name that every number about an action carries, in every file, run and page.

    A number never takes the name of another kind, however alike they look.
    """

    HEURISTIC = "expected_value_heuristic"  # logs without randomisation: says who buys, not why
    INCREMENTAL = "incremental_value"  # a randomised treatment: what it changes for whom
    OFF_POLICY = "ope_value"  # logged propensities: what another policy would have earned
    EXPERIMENT = "ab_effect"  # a live experiment: what a change did on average
