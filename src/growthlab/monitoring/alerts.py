"""Alerts: measures outside their limits, one sentence each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from growthlab.bundle.answers import LEVELS
from growthlab.core.errors import ConfigError, near_matches
from growthlab.core.plain_types import type_mismatch
from growthlab.monitoring.delayed import DelayedEvaluation
from growthlab.monitoring.log_summary import LogSummary
from growthlab.monitoring.proportions import Proportion
from growthlab.monitoring.stability import FEWEST, Drift
from growthlab.monitoring.tally import is_fallback

SHARES = ("fallback_rise", "unknown_items", "errors", "coverage_fall")


@dataclass(frozen=True)
class Alert:
    """A measure outside its limits; `grave` needs action now, `note` within the week."""

    about: str
    severity: Literal["grave", "note"]
    text: str


@dataclass(frozen=True, kw_only=True)
class AlertLimits:
    """Limits of the measures. A share exceeds its limit where its whole 95 % interval does.

    A PSI exceeds its limit only where it is also above three times what chance gives.
    """

    psi_moved: float = 0.10  # conventional, from credit scoring
    psi_far: float = 0.25
    fallback_rise: float = 0.25  # share of fallbacks above that at export, where no customer is new
    unknown_items: float = 0.10  # share of the items in requests
    errors: float = 0.01  # share of requests that fail inside the service
    p99_ms: float = 100.0
    coverage_fall: float = 0.5  # share of the reference's coverage that may be lost

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if wrong := type_mismatch(value, float):
                raise ConfigError(f"limits.{name} must be {wrong}, got {value!r}")
            if not value > 0:
                raise ConfigError(f"limits.{name} must be above 0, got {value}")
            if name in SHARES and value > 1:
                raise ConfigError(f"limits.{name} must be a share, at most 1, got {value}")
        if self.psi_moved > self.psi_far:
            raise ConfigError(
                f"limits.psi_moved={self.psi_moved} is above limits.psi_far={self.psi_far}: swap them"
            )

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> AlertLimits:
        """The limits of a config; ConfigError for a wrong name."""
        known = [f.name for f in fields(cls)]
        for name in settings:
            if name not in known:
                raise ConfigError(f"limits.{name} is no limit: {near_matches(name, known)}")
        return cls(**settings)

    def alerts(self, summary: LogSummary, delayed: DelayedEvaluation | None = None) -> list[Alert]:
        """The measures outside their limits, grave ones first."""
        alerts = [*self._drift_alerts(summary), *self._serving_alerts(summary)]
        if delayed is not None:
            alerts += [Alert(name, "grave", delayed.sentence(name)) for name in delayed.worse]
        return sorted(alerts, key=lambda alert: alert.severity != "grave")

    def _drift_alerts(self, summary: LogSummary) -> Iterator[Alert]:
        for drift in summary.drifts:
            level = drift.level(self.psi_moved, self.psi_far)
            if level not in ("moved", "far"):
                continue
            limit = self.psi_far if level == "far" else self.psi_moved
            text = f"{drift.name}: the distribution moved: PSI {drift.psi:.3f}, limit {limit:g}"
            yield Alert(
                drift.name, "grave" if level == "far" else "note", text + _explanation(drift)
            )

    def _serving_alerts(self, summary: LogSummary) -> Iterator[Alert]:
        own = summary.own
        if summary.reference is not None:
            yield from self._fallback_alerts(summary)
        if _is_above(own.unknown_items, self.unknown_items):
            text = f"{_text_of(own.unknown_items)} items in requests are unknown to the model"
            yield Alert("unknown items", "grave", f"{text}, limit {self.unknown_items:.1%}")
        if _is_above(own.errors, self.errors):
            text = f"{_text_of(own.errors)} requests failed inside the service"
            yield Alert("errors", "grave", f"{text}, limit {self.errors:.1%}")
        p99 = own.latency(0.99)
        if own.n >= FEWEST and p99 > self.p99_ms:
            text = (
                f"the slowest 1 % of answers take {p99:,.0f} ms or more, limit {self.p99_ms:g} ms"
            )
            yield Alert("latency", "note", text)
        spread = summary.spread
        if spread is not None and own.n >= FEWEST:
            least = spread.reference_coverage * (1 - self.coverage_fall)
            if spread.coverage < least:
                yield Alert(
                    "coverage",
                    "note",
                    f"the model's lists show {spread.coverage:.1%} of the catalogue; as many places at "
                    f"export showed {spread.reference_coverage:.1%}",
                )

    def _fallback_alerts(self, summary: LogSummary) -> Iterator[Alert]:
        """The reference has no new customers; only the shop knows how many are usual."""
        own, at_export = summary.own, _fallbacks_at_export(summary)
        before = at_export.value if at_export.n else 0.0
        limit = before + self.fallback_rise
        if not _is_above(own.fallbacks, limit):
            return
        usual = min(math.ceil(20 * (own.fallbacks.bounds[1] - before)) / 20 + 0.05, 1.0)
        text = (
            f"{_text_of(own.fallbacks)} answers use nothing about the customer, limit {limit:.1%} (at "
            f"export, for customers whom the bundle knows, {before:.1%}). "
            f"{own.n_anonymous:,} of these {own.n_fallbacks:,} requests named neither a customer nor "
            "an item, the others named ones that the bundle does not know. If that many visitors are "
            f"usually new here, set limits.fallback_rise={usual:.2f}; if not, check that user ids are "
            "still those of the training data, and refresh the bundle"
        )
        yield Alert("fallbacks", "grave", text)


def _fallbacks_at_export(summary: LogSummary) -> Proportion:
    """The share of fallbacks at export."""
    assert summary.reference is not None
    served = summary.reference.served
    fallbacks = sum(n for name, n in served.items() if is_fallback(name, LEVELS.get(name, 0)))
    return Proportion(fallbacks, sum(served.values()))


def _explanation(drift: Drift) -> str:
    bin_, then, now = drift.largest_change
    return (
        f" and about {drift.expected:.3f} by chance; largest change: {bin_} from {then:.1%} to {now:.1%} "
        f"({drift.n_current:,} values)"
    )


def _is_above(share: Proportion, limit: float) -> bool:
    return share.n >= FEWEST and share.bounds[0] > limit


def _text_of(share: Proportion) -> str:
    low, high = share.bounds
    return f"{share.value:.1%} [{low:.1%}, {high:.1%}] of {share.n:,}"
