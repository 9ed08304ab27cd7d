"""What an analysis of an experiment is to say: outcomes, guardrails, adjustments, segments, plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self

from growthlab.core.claims import Claim
from growthlab.core.errors import ConfigError, near_matches, quoted
from growthlab.core.plain_types import argument_types, type_mismatch
from growthlab.effects.always_valid import Sequential
from growthlab.effects.experiment_outcome import ExperimentOutcome
from growthlab.effects.guardrails import check_tolerances
from growthlab.effects.incremental_roi import check_cost_and_margin


@dataclass(frozen=True, kw_only=True)
class RoiSettings:
    """The outcome that is money, the share of it that is earned, and what a customer of an arm costs."""

    outcome: str | None = None
    margin: float = 1.0
    cost: float | None = None


@dataclass(frozen=True, kw_only=True)
class AbSettings:
    """The settings of an analysis, checked before any data are read; ``conf/ab.yaml`` explains them.

    Raises
    ------
    ConfigError
        A outcome that is none, or a setting out of its range.
    """

    claim: ClassVar[Claim] = Claim.EXPERIMENT

    outcomes: Sequence[str]
    guardrails: Mapping[str, float] = field(default_factory=dict)
    covariates: Mapping[str, str] = field(default_factory=dict)
    features: Sequence[str] = ()
    segments: Sequence[str] = ()
    quantiles: Sequence[float] = ()
    planned_effect: float | None = None
    sequential: Sequential | None = None
    planned_customers: int | None = None
    roi: RoiSettings = field(default_factory=RoiSettings)
    alpha: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.outcomes:
            raise ConfigError(
                "outcomes=[] leaves nothing to compare: name some; the first one decides"
            )
        names = [outcome.name for outcome in self.all_outcomes]
        for name in self.covariates:
            if name not in names:
                raise ConfigError(
                    f"covariates.{quoted(name)} is no outcome: {near_matches(name, names)}"
                )
        self._check_known_before()
        check_tolerances(self.guardrails)
        for q in self.quantiles:
            if not 0 < q < 1:
                raise ConfigError(f"quantiles={q} must lie between 0 and 1, such as 0.5")
        if not 0 < self.alpha < 0.5:
            raise ConfigError(f"alpha must lie between 0 and 0.5, got {self.alpha}")
        if self.planned_effect is not None and not 0 < abs(self.planned_effect) < 10:
            raise ConfigError(
                f"planned_effect must be a relative change such as 0.05, got {self.planned_effect}"
            )
        self._check_sequential()
        self._check_roi()

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """The settings of a config, which may hold others too; null is the default."""
        given = {
            name: _checked(config[name], annotation, name)
            for name, annotation in argument_types(cls).items()
            if config.get(name) is not None
        }
        roi = {
            name: _checked(config["roi"][name], annotation, f"roi.{name}")
            for name, annotation in argument_types(RoiSettings).items()
        }
        return cls(**{**given, "roi": RoiSettings(**roi)})

    @cached_property
    def primary(self) -> ExperimentOutcome:
        """The outcome that decides."""
        return ExperimentOutcome.of(self.outcomes[0])

    @cached_property
    def secondary(self) -> list[ExperimentOutcome]:
        """The other outcomes."""
        others = [ExperimentOutcome.of(name) for name in self.outcomes[1:]]
        return [m for m in dict.fromkeys(others) if m != self.primary]

    @cached_property
    def guarded(self) -> dict[ExperimentOutcome, float]:
        """The outcomes of guardrails with their tolerated change."""
        return {ExperimentOutcome.of(name): float(t) for name, t in self.guardrails.items()}

    @property
    def all_outcomes(self) -> list[ExperimentOutcome]:
        """Every outcome that is read."""
        money = [ExperimentOutcome.of(self.roi.outcome)] if self.roi.outcome else []
        return list(dict.fromkeys([self.primary, *self.secondary, *self.guarded, *money]))

    @property
    def level(self) -> float:
        """The level of the intervals."""
        return 1 - self.alpha

    def _check_known_before(self) -> None:
        """No outcome can have been known before the exposure."""
        outcomes = {column for outcome in self.all_outcomes for column in outcome.columns}
        named = [("features", column) for column in self.features]
        named += [(f"covariates.{name}", column) for name, column in self.covariates.items()]
        for setting, column in named:
            if column in outcomes:
                raise ConfigError(
                    f"{setting}={quoted(column)} is an outcome: name what was known before the "
                    "exposure"
                )

    def _check_sequential(self) -> None:
        if self.sequential is None:
            return
        needed = "planned_effect" if self.sequential == "msprt" else "planned_customers"
        if getattr(self, needed) is None:
            raise ConfigError(
                f"sequential={self.sequential} needs {needed}, as it was declared before the "
                "experiment"
            )
        if self.planned_customers is not None and self.planned_customers < 2:
            raise ConfigError(f"planned_customers must be 2 or more, got {self.planned_customers}")

    def _check_roi(self) -> None:
        if self.roi.cost is None:
            return
        check_cost_and_margin(self.roi.cost, self.roi.margin)
        if self.roi.outcome is None:
            raise ConfigError(
                "roi.cost needs roi.outcome: the outcome that is money, such as revenue"
            )
        if ExperimentOutcome.of(self.roi.outcome).denominator is not None:
            raise ConfigError(
                f"roi.outcome={self.roi.outcome} is a ratio: name an amount a customer"
            )


def _checked(value: Any, annotation: Any, name: str) -> Any:
    """The value, if it has the type."""
    if wrong := type_mismatch(value, annotation):
        raise ConfigError(f"{name} must be {wrong}, got {quoted(repr(value))}")
    return value
