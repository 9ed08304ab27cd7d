"""Lookalike audience: the customers nearest to a seed list, and how well that finds held-out seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, DataError
from growthlab.core.seeding import stream
from growthlab.data.columns import as_ids, as_times
from growthlab.data.event_log import EventLog
from growthlab.data.raw_tables import existing, read_table
from growthlab.insight.buyers import buyers
from growthlab.insight.customer_space import checked_tags, customer_space
from growthlab.insight.findings import Column, Findings, Lines, ReportTable, whole
from growthlab.insight.scope import LEAST_GROUP, Scope, Unavailable
from growthlab.insight.sections.rfm import RFM

FEATURES = (
    "days_since_last",
    "orders",
    "basket_value",
    "basket_items",
    "tenure_days",
    "top_category",
    "top_category_share",
    "top_brand",
    "price_level",
    "price_sensitivity",
    "repeat_share",
    "novelty_seeking",
    "preferred_channel",
    "region",
)
FOLDS = 5


@dataclass(frozen=True)
class HeldOut:
    """Where the held-out seeds stand among the `n` customers who were not shown as seeds.

    `first` and `last` are the best and the worst rank (from 1) of each seed among its equals;
    `first_by_segment` and `last_by_segment` those in an order by the share of shown seeds in the
    customer's RFM segment.
    """

    n: int
    first: np.ndarray
    last: np.ndarray
    first_by_segment: np.ndarray
    last_by_segment: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Lookalike:
    """Customers in order of their likeness to a list of seeds.

    Likeness is the probability of being a seed by a logistic regression of seeds against all other
    buyers, over standardised tags: learning from positive and unlabelled examples, whose order is
    right even though some of the others would be seeds too (Elkan and Noto, KDD 2008). The lift is
    measured on seeds that were held out: the latest three tenths where the seed file has a ``date``
    (with the portrait as of then), else each fifth in turn, drawn at random.

    Parameters
    ----------
    seeds
        A CSV or Parquet file with a column ``user_id``, and ``date`` if known.
    strength
        Inverse of the penalty on squared coefficients.
    size
        Share of the other customers that make the audience.
    min_seeds
        Fewer seeds are refused: they would tell on their members.
    """

    chapter: ClassVar[str] = "Customers"
    title: ClassVar[str] = "Lookalike audience"
    seeds: str | None = None
    features: Sequence[str] = FEATURES
    strength: float = 0.1
    size: float = 0.1
    min_seeds: int = 100
    shares: Sequence[float] = (0.01, 0.05, 0.1, 0.2, 0.5)
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.strength > 0:
            raise ConfigError(f"strength must be positive, got {self.strength:g}")
        if self.min_seeds < LEAST_GROUP:
            raise ConfigError(f"min_seeds must be at least {LEAST_GROUP}, got {self.min_seeds}")
        if not self.shares or not all(0 < s <= 1 for s in (*self.shares, self.size)):
            raise ConfigError("size and shares must be above 0 and at most 1")
        checked_tags(self.features, "features")

    def customers(self, log: EventLog, as_of: datetime) -> pd.DataFrame:
        """The audience by ``user_id``, the likest first: likeness in [0, 1] and rank from 1.

        Seeds are not in it.

        Raises
        ------
        DataError
            No seed file is given or it cannot be read, or too few seeds have bought.
        """
        ids, points = self._space(log, as_of)
        is_seed = np.isin(ids, self._seeds(ids).index.to_numpy(dtype=str))
        likeness = self._likeness(points, is_seed)
        order = np.lexsort((ids, -likeness))  # of equals the first id
        others = order[~is_seed[order]]
        kept = others[: max(1, round(self.size * len(others)))]
        index = pd.Index(ids[kept], name="user_id")
        ranks = np.arange(1, len(kept) + 1)
        return pd.DataFrame({"likeness": likeness[kept], "rank": ranks}, index=index)

    def held_out(self, log: EventLog, as_of: datetime) -> list[HeldOut]:
        """What the order makes of seeds that it was not shown; see the class."""
        ids = buyers(log, as_of).index.to_numpy(dtype=str)
        dates = self._seeds(ids)
        if dates.isna().any():
            _, points = self._space(log, as_of)
            fold = stream(self.seed, "held out seeds").permutation(len(dates)) % FOLDS
            parts = [(points, dates.index[fold != f], dates.index[fold == f]) for f in range(FOLDS)]
            segments = RFM().customers(log, as_of)["segment"]
            return [self._judged(ids, *part, segments) for part in parts]
        border = dates.sort_values().iloc[int(0.7 * len(dates))].to_pydatetime()
        then, points = self._space(log, border)
        known = dates[dates.index.isin(then)]
        shown, later = known.index[known < border], known.index[known >= border]
        if len(shown) < LEAST_GROUP or len(later) < LEAST_GROUP:
            raise DataError(
                f"{len(shown)} seeds before {border:%Y-%m-%d} and {len(later)} after it had bought "
                "by then: too few to measure a lift; leave out the dates"
            )
        return [self._judged(then, points, shown, later, RFM().customers(log, border)["segment"])]

    def quality(self, log: EventLog, as_of: datetime) -> dict[str, float]:
        """The ``lift`` and the ``recall`` of an audience of that size on seeds held out."""
        (row,) = lift_table(self.held_out(log, as_of), [self.size]).to_dict("records")
        return {"lift": row["lift"], "recall": row["recall"]}

    def composition(self, log: EventLog, as_of: datetime) -> pd.DataFrame:
        """One row an RFM segment: how many of the audience, of the seeds and of all buyers it has.

        Columns segment, customers (of the audience), seeds, all, and each as a share of its whole.
        """
        segments = RFM().customers(log, as_of)["segment"]
        groups = {
            "customers": self.customers(log, as_of).index,
            "seeds": self._seeds(segments.index.to_numpy(dtype=str)).index,
            "all": segments.index,
        }
        rows = pd.DataFrame(
            {name: segments.reindex(ids).value_counts(sort=False) for name, ids in groups.items()}
        )
        shares = (rows / rows.sum()).add_prefix("share_of_")
        return rows.join(shares).rename_axis("segment").reset_index().astype({"segment": str})

    def find(self, scope: Scope) -> Findings:
        """Recall and lift of audiences by size, beside an order by RFM segment; who is in it."""
        if self.seeds is None:
            raise Unavailable("no seeds: give a file with section.lookalike.seeds=FILE")
        found = self.held_out(scope.log, scope.as_of)
        rows = lift_table(found, self.shares)
        plot = Lines("share", ("recall", "recall_by_segment", "share_of_customers"),
                     "Held-out seeds found, by size of the audience")  # fmt: skip
        how = "by date" if len(found) == 1 else f"each of {FOLDS} random parts in turn"
        note = (
            f"Held out {how}. By chance the lift is 1. The audience itself, a row a customer, comes "
            "from `growthlab segment`."
        )
        made_of = self.composition(scope.log, scope.as_of)
        tables = (
            ReportTable("lookalike", "Lift on seeds that were held out", rows, LIFT, plots=(plot,)),
            ReportTable(
                "lookalike_composition",
                "Who is in the audience",
                made_of,
                COMPOSITION,
                sums=dict.fromkeys(("customers", "seeds", "all"), whole(made_of)),
            ),
        )
        return Findings(tables, (note,))

    def _space(self, log: EventLog, as_of: datetime) -> tuple[np.ndarray, np.ndarray]:
        ids = buyers(log, as_of).index.to_numpy(dtype=str)
        space = customer_space(log, as_of, checked_tags(self.features, "features"), ids)
        return space.user_ids, space.points

    def _seeds(self, known: np.ndarray) -> pd.Series:
        """The date of each seed among the `known` customers, NaT where there is none, by id."""
        if self.seeds is None:
            raise DataError("a lookalike audience needs seeds: section.lookalike.seeds=FILE")
        option = "section.lookalike.seeds"
        path = existing(Path(self.seeds), option)
        table = read_table(path)
        if "user_id" not in table:
            has = ", ".join(map(str, table.columns))
            raise DataError(f"{option}={path} needs a column user_id: it has {has}")
        dates = as_times(table["date"], "date") if "date" in table else pd.NaT
        found = pd.DataFrame({"user_id": as_ids(table["user_id"]), "date": dates})
        found = found.dropna(subset="user_id").drop_duplicates("user_id").set_index("user_id")
        inside = found.index.isin(known)
        if inside.sum() < self.min_seeds:
            raise DataError(
                f"{option}={path}: {inside.sum()} of {len(found)} seeds had bought, and "
                f"{self.min_seeds} are needed: fewer would tell on their members"
            )
        return pd.to_datetime(found["date"][inside]).sort_index()

    def _likeness(self, points: np.ndarray, is_seed: np.ndarray) -> np.ndarray:
        """The probability of each customer to be one of the seeds."""
        from sklearn.linear_model import LogisticRegression

        if is_seed.all():
            raise DataError("every customer is a seed: there is nobody left to find")
        model = LogisticRegression(C=self.strength, max_iter=2000).fit(points, is_seed)
        return np.asarray(model.predict_proba(points)[:, 1], dtype=np.float64)

    def _judged(
        self,
        ids: np.ndarray,
        points: np.ndarray,
        shown: pd.Index,
        hidden: pd.Index,
        segments: pd.Series,
    ) -> HeldOut:
        is_shown = np.isin(ids, shown.to_numpy(dtype=str))
        likeness = pd.Series(self._likeness(points, is_shown), index=ids)
        named = segments.astype(str).reindex(ids)
        share = pd.Series(is_shown, index=ids).groupby(named).transform("mean")
        wanted = ids[np.isin(ids, hidden.to_numpy(dtype=str))]
        ranks = []
        for score in (likeness, share):
            rest = -score[~is_shown]
            for method in ("min", "max"):
                ranks.append(rest.rank(method=method)[wanted].to_numpy())
        return HeldOut(int((~is_shown).sum()), *ranks)


def hits(first: np.ndarray, last: np.ndarray, size: int) -> float:
    """How many are among the first `size`; of equals across the border their share is counted."""
    return float(np.clip((size - first + 1) / (last - first + 1), 0.0, 1.0).sum())


def lift_table(found: Sequence[HeldOut], shares: Sequence[float]) -> pd.DataFrame:
    """One row a size of the audience: held-out seeds found in it, recall and lift.

    recall = held-out seeds in the audience / all held-out seeds; lift = recall / the audience's
    share of the customers, which is what a random audience has.
    """
    rows = []
    total = sum(len(f.first) for f in found)
    for share in sorted(shares):
        sizes = [max(1, round(share * f.n)) for f in found]
        pairs = list(zip(found, sizes, strict=True))
        part = sum(sizes) / sum(f.n for f in found)
        recall = sum(hits(f.first, f.last, n) for f, n in pairs) / total
        plain = sum(hits(f.first_by_segment, f.last_by_segment, n) for f, n in pairs) / total
        of_all = [f"{share:.0%}", part, sum(sizes) // len(found), total, round(recall * total)]
        rows.append([*of_all, recall, recall / part, plain, plain / part])
    return pd.DataFrame(rows, columns=list(LIFT))


_HELD, _FOUND = ("customers", "held_out"), ("found",)
LIFT = {
    "share": Column("label", "Size of the audience, as a share of the customers who are no seeds."),
    "share_of_customers": Column("share", "The same as a number.", _HELD),
    "customers": Column("customers", "Customers in the audience.", ("customers",)),
    "held_out": Column("customers", "Seeds that were held out.", ("held_out",)),
    "found": Column("customers", "Those of them in the audience.", _HELD, _FOUND),
    "recall": Column("share", "found / held_out.", _HELD, _FOUND),
    "lift": Column(
        "ratio", "recall / the audience's share of the customers; 1 by chance.", _HELD, _FOUND
    ),
    "recall_by_segment": Column(
        "share",
        "The same where customers are ordered by the share of shown seeds in their RFM segment.",
        _HELD,
    ),
    "lift_by_segment": Column("ratio", "The lift of that order.", _HELD),
}
COMPOSITION = {
    "segment": Column("label", "The RFM segment."),
    "customers": Column("customers", "Customers of the audience in it.", ("customers",)),
    "seeds": Column("customers", "Seeds in it.", ("seeds",)),
    "all": Column("customers", "All buyers in it.", ("all",)),
    "share_of_customers": Column("share", "Its share of the audience.", ("customers",)),
    "share_of_seeds": Column("share", "Its share of the seeds.", ("seeds",)),
    "share_of_all": Column("share", "Its share of all buyers.", ("all",)),
}
