"""A log of shown actions with their propensities, and another policy's probabilities of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, DataError, near_matches, quoted
from growthlab.core.file_settings import INPUT_FILE
from growthlab.core.seeding import random_stream
from growthlab.data.columns import as_ids, as_numbers
from growthlab.data.raw_tables import read_marked_table
from growthlab.data.readers.files import existing_file

SlateAssumption = Literal["independent", "cascade"]
SUM_TOLERANCE = 0.01  # of probabilities that should add up to 1, as they may be rounded
FOLDS = 2
PRIOR_ROWS = 20.0  # by which the mean reward of an action is drawn to that of all
KEY_SIGN = "\x1f"  # between the parts of a stratum's name


@dataclass(frozen=True)
class LoggedActions:
    """A row a shown action: its reward, its propensity in the log and in the other policy.

    `reward`, `logged` and `target` (probabilities), ``(n,)``; `cluster` numbers the customers or slates
    that are resampled together. `direct_logged` is the reward that a model expects of the row's action,
    `direct_policy` of the actions of the other policy; None where the policy is known of logged
    actions alone. `unsupported` is the probability of the other policy for actions that the log never
    shows.
    """

    reward: np.ndarray
    logged: np.ndarray
    target: np.ndarray
    cluster: np.ndarray
    direct_logged: np.ndarray | None = None
    direct_policy: np.ndarray | None = None
    unsupported: float = 0.0
    assumption: SlateAssumption | None = None
    step_weights: np.ndarray | None = None  # of a cascade: products over the positions so far

    @property
    def weights(self) -> np.ndarray:
        """How much more often the other policy would have done the same, ``(n,)``."""
        if self.step_weights is not None:
            return self.step_weights
        return self.target / self.logged


@dataclass(frozen=True, kw_only=True)
class ActionTable:
    """The file of the log: our name of a column -> the file's.

    Parameters
    ----------
    target
        The other policy's probability of the row's action, in place of a table of that policy.
    strata
        Columns on which the other policy may depend, such as the position.
    slate, position
        Which actions were shown together, and where; their dependence is stated by `assumption`.
    """

    path: str | None = field(default=None, metadata=INPUT_FILE)
    reward: str = "reward"
    action: str = "action"
    propensity: str = "propensity"
    target: str | None = None
    customer: str | None = None
    slate: str | None = None
    position: str | None = None
    strata: Sequence[str] = ()

    def read(
        self, policy: str | None, assumption: SlateAssumption | None, seed: int = 0
    ) -> LoggedActions:
        """The log beside a policy.

        Raises
        ------
        ConfigError
            No policy, or two; slates without an assumption.
        DataError
            A column that is missing, propensities that are missing or no probabilities, a log
            without chance, probabilities of the policy that do not add up to 1.
        """
        if (policy is None) == (self.target is None):
            raise ConfigError(
                "the other policy is either a table (policy=FILE) or a column of the log "
                "(actions.target): give one"
            )
        if self.slate is not None and assumption is None:
            raise ConfigError(
                "actions.slate names actions that were shown together: state how their rewards "
                "depend on each "
                "other with assumption=independent (each position alone) or cascade (on those "
                "before it)"
            )
        if assumption == "cascade" and (self.slate is None or self.position is None):
            raise ConfigError("assumption=cascade needs actions.slate and actions.position")
        file = existing_file(str(self.path), "actions.path")
        table = read_marked_table(file)
        self._require(table, file)
        logged = _probabilities(table, self.propensity, file)
        if (logged == 1).all():
            raise DataError(
                f"{file.name}: every propensity is 1, so the log holds no chance: nothing can be "
                "learnt of another policy"
            )
        reward = as_numbers(table[self.reward], self.reward)
        if reward.isna().any():
            raise DataError(
                f"{int(reward.isna().sum()):,} of {len(reward):,} rows have no {self.reward}"
            )
        values = reward.to_numpy(dtype=float)
        cluster = self._clusters(table)
        if policy is None:
            target = _probabilities(table, str(self.target), file, zero=True)
            return self._with_steps(
                table, LoggedActions(values, logged, target, cluster, assumption=assumption)
            )
        found = _beside_policy(self, table, values, Path(policy), cluster, seed)
        target, direct_logged, direct_policy, unsupported = found
        return self._with_steps(
            table,
            LoggedActions(
                *(values, logged, target, cluster, direct_logged, direct_policy, unsupported),
                assumption=assumption,
            ),
        )

    def _require(self, table: pd.DataFrame, file: Path) -> None:
        named = {
            name: getattr(self, name)
            for name in (
                "reward",
                "action",
                "propensity",
                "target",
                "customer",
                "slate",
                "position",
            )
        }
        columns = [*named.items(), *(("strata", column) for column in self.strata)]
        for name, column in columns:
            if column is not None and column not in table:
                why = (
                    ": without propensities no other policy can be estimated from a log"
                    if name == "propensity"
                    else ""
                )
                near = near_matches(str(column), map(str, table))
                raise DataError(
                    f"{file.name} has no column {quoted(str(column))} (actions.{name}){why}: {near}"
                )
        if table.empty:
            raise DataError(f"{file.name} has no rows")

    def _clusters(self, table: pd.DataFrame) -> np.ndarray:
        """The customer of each row, else its slate, else the row itself."""
        column = self.customer or self.slate
        if column is None:
            return np.arange(len(table))
        return table[column].astype("string").fillna("").astype("category").cat.codes.to_numpy()

    def _with_steps(self, table: pd.DataFrame, actions: LoggedActions) -> LoggedActions:
        """For a cascade: weights that multiply over the positions of a slate, and no reward model."""
        if actions.assumption != "cascade":
            return actions
        ratio = pd.DataFrame(
            {
                "slate": table[self.slate].astype("string"),
                "position": as_numbers(table[str(self.position)], str(self.position)),
                "ratio": actions.target / actions.logged,
            }
        )
        steps = (
            ratio.sort_values(["slate", "position"], kind="stable")
            .groupby("slate")["ratio"]
            .cumprod()
        )
        return LoggedActions(
            *(actions.reward, actions.logged, actions.target, actions.cluster),
            unsupported=actions.unsupported,
            assumption=actions.assumption,
            step_weights=steps.sort_index().to_numpy(dtype=float),
        )


def _probabilities(
    table: pd.DataFrame, column: str, file: Path, *, zero: bool = False
) -> np.ndarray:
    """A column of probabilities; DataError for what is none."""
    values = as_numbers(table[column], column)
    if values.isna().any():
        raise DataError(
            f"{int(values.isna().sum()):,} of {len(values):,} rows of {file.name} have no "
            f"{column}: no other "
            "policy can be estimated from actions whose probability is not known"
        )
    wrong = (values < 0) | (values > 1) | ((values == 0) & (not zero))
    if wrong.any():
        raise DataError(
            f"{int(wrong.sum()):,} of {len(values):,} rows of {file.name} have a {column} that "
            "is no probability of "
            f"something that was shown, such as {values[wrong].iloc[0]:g}"
        )
    return values.to_numpy(dtype=float)


def _beside_policy(
    columns: ActionTable,
    table: pd.DataFrame,
    reward: np.ndarray,
    path: Path,
    cluster: np.ndarray,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """The policy's probability of each row, both expectations of the reward model, the unsupported mass."""
    file = existing_file(path, "policy")
    policy = read_marked_table(file)
    needed = [*columns.strata, columns.action, "probability"]
    for column in needed:
        if column not in policy:
            raise DataError(
                f"{file.name} has no column {quoted(column)}: a policy has {', '.join(needed)}"
            )
    policy = policy.assign(
        stratum=_strata(policy, columns.strata),
        name=as_ids(policy[columns.action].rename("action")),
        probability=_probabilities(policy, "probability", file, zero=True),
    )
    sums = policy.groupby("stratum")["probability"].sum()
    off = sums[(sums - 1).abs() > SUM_TOLERANCE]
    if len(off):
        where = str(off.index[0]).replace(KEY_SIGN, ", ") or "the policy"
        raise DataError(
            f"{file.name}: the probabilities of {where} add up to {off.iloc[0]:g}, not to 1 "
            f"({len(off)} of {len(sums)})"
        )
    if policy.duplicated(["stratum", "name"]).any():
        raise DataError(f"{file.name} names an action twice for the same stratum")
    stratum = _strata(table, columns.strata)
    name = as_ids(table[columns.action].rename("action"))
    unknown = ~stratum.isin(sums.index)
    if unknown.any():
        where = str(stratum[unknown].iloc[0]).replace(KEY_SIGN, ", ")
        raise DataError(
            f"{file.name} says nothing of {where}, which {int(unknown.sum()):,} rows of the log "
            "are of"
        )
    given = policy.set_index(["stratum", "name"])["probability"]
    target = given.reindex(pd.MultiIndex.from_arrays([stratum, name])).fillna(0.0).to_numpy()
    shares = stratum.value_counts(normalize=True)
    seen = set(zip(stratum, name, strict=True))
    unseen = [key not in seen for key in zip(policy["stratum"], policy["name"], strict=True)]
    mass = policy["probability"] * policy["stratum"].map(shares).fillna(0.0)
    model = _reward_model(stratum, name, reward, cluster, policy, seed)
    return target, *model, float(mass[unseen].sum())


def _reward_model(
    stratum: pd.Series,
    name: pd.Series,
    reward: np.ndarray,
    cluster: np.ndarray,
    policy: pd.DataFrame,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The mean reward of each action in its stratum, drawn to the mean of all; of the other folds.

    Rows of a cluster are in one fold, so that no row helps to predict itself.
    """
    logged, expected = np.empty(len(reward)), np.empty(len(reward))
    fold = random_stream(seed, "reward folds").integers(FOLDS, size=int(cluster.max()) + 1)[cluster]
    rows = pd.DataFrame({"stratum": stratum, "name": name, "reward": reward})
    for each in range(FOLDS):
        others = rows[fold != each]
        mean = others["reward"].mean() if len(others) else 0.0
        groups = others.groupby(["stratum", "name"])["reward"].agg(["sum", "count"])
        means = (groups["sum"] + PRIOR_ROWS * mean) / (groups["count"] + PRIOR_ROWS)
        own = fold == each
        keys = pd.MultiIndex.from_arrays([stratum[own], name[own]])
        logged[own] = means.reindex(keys).fillna(mean).to_numpy()
        of_policy = means.reindex(pd.MultiIndex.from_frame(policy[["stratum", "name"]])).fillna(
            mean
        )
        value = pd.Series(of_policy.to_numpy() * policy["probability"].to_numpy())
        by_stratum = value.groupby(policy["stratum"].to_numpy()).sum()
        expected[own] = stratum[own].map(by_stratum).to_numpy(dtype=float)
    return logged, expected


def _strata(table: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    """One name for the values of these columns."""
    if not columns:
        return pd.Series("", index=table.index)
    names = [as_ids(table[column]).astype("string").fillna("").tolist() for column in columns]
    return pd.Series(
        [KEY_SIGN.join(parts) for parts in zip(*names, strict=True)], index=table.index
    )
