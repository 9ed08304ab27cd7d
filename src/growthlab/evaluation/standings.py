"""The standings of a comparison: means over seeds, the winner, differences to the best baseline."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from growthlab.evaluation.bootstrap import mean_estimates
from growthlab.evaluation.choice import MIN_DECIDING, ChoiceRule, Judged, least_deciding
from growthlab.evaluation.leaderboard_columns import MetricColumn
from growthlab.evaluation.outcome import Estimate, Outcome
from growthlab.evaluation.resamples import N_RESAMPLES
from growthlab.evaluation.significance import COLUMNS, compare_predictions, compare_to_baseline
from growthlab.metrics.predictions import PredictionMetric
from growthlab.split.origin_windows import OriginWindows, independent_origins

log = logging.getLogger(__name__)

COSTS = ("coverage", "fit_seconds", "score_seconds", "peak_memory_mb")
NOTHING_CHOSEN = "no validation window: nothing was chosen, and no model is a winner"
COMPARED = ("difference", "difference_low", "difference_high", "relative_percent", "p_holm")


class OriginResult(NamedTuple):
    """The model chosen by the validation window of an origin, compared with the best other on its test.

    `counts`: the test window shares no moment with a window that chose another winner that counts.
    """

    origin: int
    cutoff: datetime | None
    winner: str
    value: float
    best_other: str
    value_of_other: float
    wins: bool
    counts: bool


def group_by_model(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """The outcomes of each model, one per seed, in the order in which the models first appear."""
    grouped: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        grouped.setdefault(outcome.name, []).append(outcome)
    return grouped


def best_name(values: Mapping[str, float], *, maximise: bool) -> str | None:
    """The name with the best value, the first of equal ones; None if all values are NaN."""
    sign = 1 if maximise else -1
    known = {name: sign * value for name, value in values.items() if not np.isnan(value)}
    return max(known, key=lambda name: known[name]) if known else None


def mean_estimate(
    seeds: Sequence[Outcome], metric: str, n_resamples: int = N_RESAMPLES
) -> Estimate:
    """A test metric averaged over seeds.

    The bounds are those of the users' means over seeds, or the mean of the seeds' bounds for a metric
    without per-user values.
    """
    if len(seeds) == 1:
        return seeds[0].test[metric]
    if all(metric in o.per_user for o in seeds):
        means = mean_per_user(seeds, metric)[[metric]]
        return mean_estimates(means, n_resamples=n_resamples)[metric]
    return Estimate(*(_mean(bound) for bound in zip(*(o.test[metric] for o in seeds), strict=True)))


def mean_per_user(seeds: Sequence[Outcome], metric: str) -> pd.DataFrame:
    """``user_id`` and the metric averaged over the seeds."""
    tables = pd.concat([o.per_user[["user_id", metric]] for o in seeds])
    return tables.groupby("user_id", sort=False)[metric].mean().reset_index()


def mean_strata(seeds: Sequence[Outcome]) -> pd.DataFrame:
    """The strata table averaged over seeds; empty for tasks without strata."""
    tables = [o.strata for o in seeds if len(o.strata)]
    if not tables:
        return pd.DataFrame(columns=["stratum", "metric", "value", "low", "high", "n_users"])
    grouped = pd.concat(tables).groupby(["stratum", "metric"], sort=False, as_index=False)
    return grouped[["value", "low", "high", "n_users"]].mean()


def predictions_of(outcome: Outcome) -> pd.DataFrame:
    """The table user_id, label, prediction of a churn or value outcome."""
    return outcome.tables.get("predictions", outcome.per_user)


@dataclass(frozen=True)
class Standings:
    """The outcomes of one comparison, and the leaderboard computed from them.

    `outcomes` are by origin; origin 0, the newest cutoff, is that of the leaderboard. `baselines` are
    the names of baselines, whether they took part or not. `metrics` by name are needed to compare
    models by an objective without per-user values; `columns` are the metrics shown next to the
    objective; `bundle_mb` are sizes by model; `errors` are messages by the label of the failed entry.
    `subtitle` names the models that have settings of the comparison instead of their own. `windows`
    are those of the origins, newest first; empty for a split without a clock. `n_resamples` of customers
    give the bounds of differences. `left_out` has the reason for each model that took no part.
    give the bounds of differences. Where fewer than `min_deciding` decide, the winner is the default of
    `ChoiceRule`.
    """

    outcomes: Mapping[int, Sequence[Outcome]]
    objective: str
    maximise: bool
    baselines: Sequence[str] = ()
    title: str = ""
    subtitle: str = ""
    leakage: Mapping[str, Any] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    columns: Sequence[MetricColumn] = ()
    bundle_mb: Mapping[str, float] = field(default_factory=dict)
    windows: Sequence[OriginWindows] = ()
    n_resamples: int = N_RESAMPLES
    left_out: Mapping[str, str] = field(default_factory=dict)
    min_deciding: int = MIN_DECIDING

    @property
    def chosen(self) -> bool:
        """Whether some model has a validation objective, by which a winner is chosen."""
        return bool(self._ranked_at(0))

    @cached_property
    def n_deciding(self) -> float:
        """Customers who decide on the validation window; NaN where they were not counted."""
        return least_deciding(map(self._judged, self.outcomes[0]))

    @property
    def by_default(self) -> bool:
        """Whether too few customers decide, so that the winner is the default of `ChoiceRule`."""
        return self.chosen and self.rule.is_default(self.n_deciding)

    @property
    def rule(self) -> ChoiceRule:
        """The rule of the choice."""
        return ChoiceRule(self.maximise, self.baselines, self.min_deciding)

    def winner(self) -> Outcome:
        """The model that the validation window chooses, see `ChoiceRule`; of its seeds, the best.

        Where nothing was `chosen`, the first model, which no table calls a winner.
        """
        ranked = self._ranked_at(0)
        return ranked[0][0] if ranked else self.outcomes[0][0]

    def leaderboard(self) -> pd.DataFrame:
        """One row per model, best test objective first; `winner` marks what validation chooses.

        The columns are rank, model, winner, baseline, seeds, n_users, the objective with low, high
        and seed_sd (NaN for one seed), the other headline metrics, difference (to the best
        baseline) with difference_low, difference_high, relative_percent and p_holm, coverage (share
        of users whom the model itself could score), fit_seconds, score_seconds, peak_memory_mb,
        bundle_mb, not_exportable (why it cannot be exported and promoted; empty if it can, or if it
        was not tried) and valid_<objective>. Values are means over seeds.
        """
        return self.table.copy()

    @cached_property
    def models(self) -> dict[str, list[Outcome]]:
        """Model -> its outcomes at the newest origin, one per seed; best test objective first."""
        grouped = group_by_model(self.outcomes[0])
        means = {n: _mean([o.test[self.objective].value for o in s]) for n, s in grouped.items()}
        sign = -1 if self.maximise else 1
        order = sorted(grouped, key=lambda n: (np.isnan(means[n]), sign * means[n]))
        return {name: grouped[name] for name in order}

    @cached_property
    def valid(self) -> dict[str, float]:
        """Model -> validation objective, averaged over seeds."""
        return {
            name: _mean([o.valid.get(self.objective, np.nan) for o in seeds])
            for name, seeds in group_by_model(self.outcomes[0]).items()
        }

    @cached_property
    def baseline(self) -> str | None:
        """The baseline that the validation window chooses; None if none took part."""
        names = [seeds[0].name for seeds in self._ranked_at(0)]
        return next((name for name in names if name in self.baselines), None)

    @cached_property
    def headline(self) -> list[str]:
        """The metrics shown next to the objective: those of `columns` that every model has."""
        measured = set.intersection(*(set(o.test) for o in self.outcomes[0]))
        names = [column.metric for column in self.columns]
        return [name for name in names if name != self.objective and name in measured]

    @cached_property
    def differences(self) -> pd.DataFrame:
        """Every model compared with the best baseline, in the columns of `compare_to_baseline`.

        Per-user values are averaged over the seeds; for a metric without them the metric itself is.
        Empty without a baseline, and for an objective of all lists together.
        """
        started = time.process_time()
        compared = self._differences()
        seconds = time.process_time() - started
        log.info("%d models compared with %s in %.1f CPU s", len(compared), self.baseline, seconds)
        return compared

    @cached_property
    def table(self) -> pd.DataFrame:
        """The table of `leaderboard`, shared: do not change it."""
        rows = [self._row(rank, name) for rank, name in enumerate(self.models, start=1)]
        table = pd.DataFrame(rows)
        compared = self.differences.set_index("model").reindex(table["model"])
        for column in COMPARED:
            table[column] = compared[column.removeprefix("difference_")].to_numpy(dtype=float)
        last = [*COSTS, "bundle_mb", "not_exportable", f"valid_{self.objective}"]
        return table[[*(c for c in table.columns if c not in last), *last]]

    def _differences(self) -> pd.DataFrame:
        objective, baseline = self.objective, self.baseline
        if baseline is None:
            return pd.DataFrame(columns=COLUMNS)
        if all(objective in o.per_user for o in self.outcomes[0]):
            averaged = {name: mean_per_user(s, objective) for name, s in self.models.items()}
            return compare_to_baseline(averaged, objective, baseline, n_resamples=self.n_resamples)
        named = {m.name: m for m in self.metrics.values() if isinstance(m, PredictionMetric)}
        if objective not in named:
            return pd.DataFrame(columns=COLUMNS)
        predictions = {name: [predictions_of(o) for o in s] for name, s in self.models.items()}
        return compare_predictions(
            predictions, named[objective], baseline, n_resamples=self.n_resamples
        )

    def _row(self, rank: int, name: str) -> dict[str, Any]:
        seeds = self.models[name]
        values = [o.test[self.objective].value for o in seeds]
        estimate = mean_estimate(seeds, self.objective, self.n_resamples)
        return {
            "rank": rank,
            "model": name,
            "winner": self.chosen and name == self.winner().name,
            "baseline": name in self.baselines,
            "seeds": len(seeds),
            "n_users": len(seeds[0].per_user),
            self.objective: estimate.value,
            "low": estimate.low,
            "high": estimate.high,
            "seed_sd": float(np.std(values, ddof=1)) if len(values) > 1 else np.nan,
            **{m: _mean([o.test[m].value for o in seeds]) for m in self.headline},
            **{cost: _mean([getattr(o, cost) for o in seeds]) for cost in COSTS},
            "bundle_mb": self.bundle_mb.get(name, np.nan),
            "not_exportable": seeds[0].why_not_exportable,
            f"valid_{self.objective}": self.valid[name],
        }

    def origins(self) -> list[OriginResult]:
        """The result at each origin where two models or more ran, the newest first.

        Each origin chooses its winner by its own validation window.
        """
        independent, results = set(independent_origins(self.windows)), []
        for origin, outcomes in self.outcomes.items():
            values = {
                name: _mean([o.test[self.objective].value for o in seeds])
                for name, seeds in group_by_model(outcomes).items()
            }
            ranked = self._ranked_at(origin)
            winner = ranked[0][0].name if ranked else None
            own = values.pop(winner, np.nan) if winner is not None else np.nan
            other = best_name(values, maximise=self.maximise)
            if winner is None or other is None or np.isnan(own):
                continue
            results.append(
                OriginResult(
                    origin=origin,
                    cutoff=self.windows[origin].cutoff if self.windows else None,
                    winner=winner,
                    value=own,
                    best_other=other,
                    value_of_other=values[other],
                    wins=own >= values[other] if self.maximise else own <= values[other],
                    counts=origin in independent,
                )
            )
        return results

    def _ranked_at(self, origin: int) -> list[list[Outcome]]:
        """The outcomes of an origin in the order of the choice; none without a validation window."""
        return self.rule.rank(self.outcomes[origin], self._judged)

    def _judged(self, outcome: Outcome) -> Judged:
        value = outcome.valid.get(self.objective, np.nan)
        return Judged(outcome.name, outcome.name, value, outcome.n_deciding)


def _mean(values: Sequence[float | None]) -> float:
    return float(np.mean([np.nan if v is None else v for v in values]))
