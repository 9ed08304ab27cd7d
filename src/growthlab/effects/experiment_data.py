"""The customers of an experiment: their arm, their outcomes, and what was known of them before."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, DataError, near_matches, quoted
from growthlab.effects.experiment_outcome import ExperimentOutcome
from growthlab.evaluation.randomisation import SampleRatio, sample_ratio

ARM, USER, EXPOSED = "arm", "user_id", "exposed_at"
BEFORE = "before "  # stands before the name of an outcome of the period before the exposure
FEWEST = 50  # customers of an arm: fewer show no effect, and their figures tell of individuals


@dataclass(frozen=True)
class ExperimentData:
    """A row a customer, each in one arm.

    `customers` has `arm`, and `user_id` and `exposed_at` where they are known, columns of outcomes
    (sums a customer), the same of the period before (``before spend``) and columns of what was known
    before. `days` has a row a customer and day with outcomes: `customer` (place in `customers`),
    `day` since the exposure (from 0) and the outcomes; None where the table holds totals alone.
    `observed_days` is how many whole days each customer has been observed, NaN where unknown.
    `served` are the versions of the bundles that answered, by arm, where arms are bundles.
    """

    customers: pd.DataFrame
    control: str
    shares: Mapping[str, float]
    days: pd.DataFrame | None = None
    observed_days: np.ndarray | None = None
    facts: Sequence[str] = field(default_factory=tuple)
    served: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        customers: pd.DataFrame,
        *,
        control: str,
        arms: Sequence[str] | None = None,
        shares: Mapping[str, float] | None = None,
        days: pd.DataFrame | None = None,
        observed_days: np.ndarray | None = None,
        facts: Sequence[str] = (),
    ) -> ExperimentData:
        """The experiment of a table with a row a customer.

        `arms` are compared with the `control`, all others by default; customers of other arms are
        left out. `shares` are the intended ones, equal by default.

        Raises
        ------
        ConfigError, DataError
            No control, one arm only, a customer in two arms, an arm with too few customers, shares
            of other arms.
        """
        names = customers[ARM].astype("string")
        if names.isna().any():
            raise DataError(
                f"{int(names.isna().sum()):,} of {len(names):,} customers have no arm: leave "
                "them out, or map another column with exposures.arm"
            )
        _require_one_arm_each(customers)
        present = sorted(names.unique())
        compared = _compared_arms(present, control, arms)
        shares = _intended_shares(compared, shares)
        kept = names.isin(compared).to_numpy()
        counts = names[kept].value_counts()
        for arm in compared:
            if counts.get(arm, 0) < FEWEST:
                raise DataError(
                    f"the arm {quoted(arm)} has {counts.get(arm, 0)} customers: an experiment "
                    f"with fewer than {FEWEST} an arm shows nothing; growthlab ab plan says how "
                    "many are needed"
                )
        if not kept.all():
            others = ", ".join(arm for arm in present if arm not in compared)
            facts = [
                *facts,
                f"{int((~kept).sum()):,} customers of other arms are left out: {others}",
            ]
            places = np.cumsum(kept) - 1
            if days is not None:
                days = days[kept[days["customer"].to_numpy()]]
                days = days.assign(customer=places[days["customer"].to_numpy()])
            observed_days = None if observed_days is None else observed_days[kept]
        rows = customers[kept].reset_index(drop=True).assign(arm=names[kept].to_numpy(dtype=object))
        return cls(rows, control, shares, days, observed_days, tuple(facts))

    @property
    def arms(self) -> list[str]:
        """The arms that are compared with the control."""
        return [arm for arm in self.shares if arm != self.control]

    @cached_property
    def counts(self) -> dict[str, int]:
        """The number of customers of each arm."""
        return {arm: int(self.is_in(arm).sum()) for arm in self.shares}

    @property
    def digest(self) -> str:
        """A hash of the customers: their arms, outcomes and all."""
        hashes = pd.util.hash_pandas_object(self.customers, index=False).to_numpy()
        names = "\0".join(map(str, self.customers))
        return hashlib.sha256(names.encode() + np.sort(hashes).tobytes()).hexdigest()

    @property
    def sample_ratio(self) -> SampleRatio:
        """The sizes of all arms against the intended shares."""
        return sample_ratio(self.counts, self.shares)

    def is_in(self, arm: str) -> np.ndarray:
        """Whether each customer is in an arm, ``(n,)`` bool."""
        return np.asarray(self.customers[ARM].to_numpy() == arm)

    def pair(self, arm: str) -> pd.DataFrame:
        """The customers of an arm and of the control."""
        return self.customers[self.is_in(arm) | self.is_in(self.control)]

    def numbers_of(self, column: str, setting: str) -> np.ndarray:
        """A column of what was known before, ``(n,)``; DataError where it is no number of everybody."""
        if column not in self.customers:
            near = near_matches(column, map(str, self.customers))
            raise DataError(
                f"{setting}={quoted(column)}: the customers have no such column: {near}"
            )
        values = self.customers[column]
        if not pd.api.types.is_numeric_dtype(values) or values.isna().any():
            raise DataError(
                f"{setting}={quoted(column)} must hold a number for every customer; words and "
                "gaps go into features"
            )
        return values.to_numpy(dtype=float)

    def require_outcomes(self, outcomes: Sequence[ExperimentOutcome]) -> None:
        """DataError where an outcome's column is missing, has gaps, or a ratio has nothing below it."""
        possible = [c for c in self.customers if c not in (ARM, USER, EXPOSED)]
        for outcome in outcomes:
            for column in outcome.columns:
                if column not in self.customers:
                    raise DataError(
                        f"there is no outcome {quoted(column)} (for the outcome {outcome.name}): "
                        f"{near_matches(column, map(str, possible))}"
                    )
                values = self.customers[column]
                if not pd.api.types.is_numeric_dtype(values):
                    raise DataError(
                        f"the outcome {quoted(column)} holds words: an outcome needs numbers"
                    )
                if values.isna().any():
                    raise DataError(
                        f"{int(values.isna().sum()):,} of {len(values):,} customers have no "
                        f"{quoted(column)}: write 0 for those who did nothing, and leave out "
                        "whom you could not observe"
                    )
            divisors = outcome.divisors(self.customers)
            if divisors is not None and any(
                divisors[self.is_in(a)].sum() <= 0 for a in self.shares
            ):
                raise DataError(
                    f"{outcome.name}: nobody in one of the arms has any {outcome.denominator}"
                )


def _require_one_arm_each(customers: pd.DataFrame) -> None:
    """DataError for a customer in two arms, and for one in two rows."""
    if USER not in customers:
        return
    ids = customers[USER]
    if ids.isna().any():
        raise DataError(f"{int(ids.isna().sum()):,} of {len(ids):,} rows have no {USER}")
    twice = customers[ids.duplicated(keep=False)]
    if twice.empty:
        return
    n_arms = twice.groupby(USER)[ARM].nunique()
    in_two = n_arms[n_arms > 1]
    if len(in_two):
        user = str(in_two.index[0])
        both = sorted(map(str, twice.loc[twice[USER] == user, ARM].unique()))
        raise DataError(
            f"{len(in_two):,} customers are in two arms (such as {quoted(user)}: "
            f"{' and '.join(both)}): their assignment was not kept, so no effect can be "
            "measured; find out why before you leave them out"
        )
    raise DataError(
        f"{twice[USER].nunique():,} customers have several rows (such as "
        f"{quoted(str(twice[USER].iloc[0]))}): outcomes with a row an event belong into "
        "events.path"
    )


def _compared_arms(present: Sequence[str], control: str, arms: Sequence[str] | None) -> list[str]:
    """The control and the arms that are compared with it."""
    if control not in present:
        raise ConfigError(
            f"control={quoted(control)} is no arm of the experiment: "
            f"{near_matches(control, present)}"
        )
    for arm in arms or ():
        if arm not in present or arm == control:
            others = [name for name in present if name != control]
            raise ConfigError(
                f"arms={quoted(arm)} cannot be compared with the control: "
                f"{near_matches(arm, others)}"
            )
    others = [name for name in present if name != control] if arms is None else list(arms)
    if not others:
        raise DataError(
            f"the experiment has one arm only ({control}): without another one there is no effect"
        )
    return [control, *dict.fromkeys(others)]


def _intended_shares(arms: Sequence[str], shares: Mapping[str, float] | None) -> dict[str, float]:
    """The intended share of each arm, adding up to 1."""
    if not shares:
        return {arm: 1 / len(arms) for arm in arms}
    for arm in arms:
        share = shares.get(arm)
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not share > 0:
            raise ConfigError(
                f"shares must give each of the arms {', '.join(arms)} a share above 0, got "
                f"{quoted(str(dict(shares)))}"
            )
    total = sum(shares[arm] for arm in arms)
    return {arm: shares[arm] / total for arm in arms}
