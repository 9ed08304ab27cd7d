"""The verdict of a comparison: who won, by how much, how certain that is, and whether it is worth it."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from growthlab.evaluation.choice import default_words
from growthlab.evaluation.standings import NOTHING_CHOSEN, Standings
from growthlab.pages.text_table import (
    decimals_for,
    format_change,
    format_interval,
    format_number,
    format_p_value,
    metric_label,
)

LEVEL = 0.05  # of p, corrected
WORTHWHILE_PERCENT = 5.0  # smaller gains offline rarely survive online


@dataclass(frozen=True)
class Verdict:
    """What a comparison says in one paragraph, from the numbers of its standings."""

    standings: Standings

    @cached_property
    def row(self) -> dict[Hashable, Any]:
        """The row of the winner in the leaderboard; empty where nothing was chosen."""
        if not self.standings.chosen:
            return {}
        return next(r for r in self.standings.table.to_dict("records") if r["winner"])

    @property
    def beats(self) -> str | None:
        """The best baseline, if the winner is another model and was compared with it."""
        baseline = self.standings.baseline
        compared = self.row and baseline not in (None, self.row["model"])
        return baseline if compared and not math.isnan(self.row["difference"]) else None

    @property
    def is_better(self) -> bool:
        """Whether the winner is better than the best baseline beyond chance."""
        gain = self.row["difference"] if self.standings.maximise else -self.row["difference"]
        return bool(gain > 0 and self.row["p_holm"] < LEVEL)

    def metrics(self) -> dict[str, float]:
        """The numbers of the verdict by name, in the unit of the objective; NaN where unknown."""
        compared = {"models": float(len(self.standings.models))}
        if not self.row:
            return compared
        columns = {
            f"winner/{self.standings.objective}": self.standings.objective,
            "winner/low": "low",
            "winner/high": "high",
            "difference": "difference",
            "difference/low": "difference_low",
            "difference/high": "difference_high",
            "p_holm": "p_holm",
            "customers": "n_users",
        }
        return compared | {name: float(self.row[column]) for name, column in columns.items()}

    def sentences(self, show: Callable[[str], str] = str) -> list[str]:
        """The verdict as sentences; `show` writes the names of models."""
        standings, row = self.standings, self.row
        if not row:
            return [f"{NOTHING_CHOSEN.capitalize()}."]
        winner = show(row["model"])
        if standings.by_default:
            why = default_words(standings.n_deciding, standings.min_deciding)
            return [f"Winner by default: {winner}, as {why}."]
        label = metric_label(standings.objective)
        digits = decimals_for([row[standings.objective]])
        value = format_interval(row[standings.objective], row["low"], row["high"], digits)
        won = (
            f"Winner by the validation window's {label}: {winner}, with {value} on the test window."
        )
        if standings.baseline is None:
            return [won, "No baseline took part."]
        if standings.baseline == row["model"]:
            return [won, "It is a baseline: no other model was better on the validation window."]
        if self.beats is None:
            return [won]
        change = format_change(row["difference"], row["relative_percent"], digits)
        bounds = [format_number(row[f"difference_{end}"], digits) for end in ("low", "high")]
        within = "" if bounds[0] == "-" else f" [{', '.join(bounds)}]"
        p = format_p_value(row["p_holm"])
        against = f"Against the best baseline, {show(self.beats)}: {change}{within}, Holm p {p}."
        return [won, against, self.worth]

    @property
    def worth(self) -> str:
        """Whether the difference to the best baseline is worth acting on."""
        row, standings = self.row, self.standings
        if self.is_better and abs(row["relative_percent"]) >= WORTHWHILE_PERCENT:
            return "It is worth an experiment with customers."
        if self.is_better:
            return (
                f"The gain is certain but small: below {WORTHWHILE_PERCENT:.0f} % few gains "
                "offline survive online."
            )
        compared = standings.differences.set_index("model").loc[row["model"]]
        if row["p_holm"] < LEVEL:
            return "It is worse than the baseline: keep the baseline."
        least = format_number(float(compared["minimum_detectable"]))
        return (
            f"That is no proof of a difference: with {int(compared['n_users']):,} customers, "
            f"differences below {least} are likely missed."
        )
