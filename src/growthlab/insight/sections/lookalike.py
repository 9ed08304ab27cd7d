"""Lookalike audience: the customers most similar to a list of seeds, and its lift on held-out seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, DataError
from growthlab.core.seeding import random_stream
from growthlab.data.columns import as_ids, as_times
from growthlab.data.event_log import EventLog
from growthlab.data.normalise import to_local
from growthlab.data.privacy import names_in_data
from growthlab.data.raw_tables import read_marked_table
from growthlab.data.readers.files import existing_file
from growthlab.insight.buyers import buyers
from growthlab.insight.counts import Sum, count_at
from growthlab.insight.customer_space import checked_tags, customer_space
from growthlab.insight.findings import Column, Findings, LinePlot, ReportTable
from growthlab.insight.report_scope import SMALLEST_GROUP, ReportScope, SectionUnavailable
from growthlab.insight.sections.rfm import RFM
from growthlab.insight.segment_table import all_buyers, segment_count

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
class HeldOutRanks:
    """The ranks of held-out seeds among the `n` customers who were not training seeds.

    `first` and `last` are the best and the worst rank (from 1) of each held-out seed among its
    equals; `first_by_segment` and `last_by_segment` are its ranks where customers are ordered by the
    share of training seeds in their RFM segment.
    """

    n: int
    first: np.ndarray
    last: np.ndarray
    first_by_segment: np.ndarray
    last_by_segment: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Lookalike:
    """Customers in order of their similarity to a list of seeds.

    Similarity is the probability of being a seed by a logistic regression of seeds against all other
    buyers, over standardised tags. This is learning from positive and unlabelled examples: the order
    is right even though some of the others would be seeds too (Elkan and Noto, KDD 2008). Where the
    seed file has a ``date``, the lift is that on the latest three tenths of the seeds, with the portrait
    as of then: it says how well the next seeds are found. On each of five random parts of the seeds in
    turn it says only how alike the seeds are, as the portrait then knows what made them seeds.

    Parameters
    ----------
    seeds
        A CSV or Parquet file with a column ``user_id``, and ``date`` if known.
    strength
        Inverse of the penalty on squared coefficients.
    size
        The size of the audience as a share of the other customers.
    min_seeds
        Fewer seeds are refused: they would reveal individuals.
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
        if self.min_seeds < SMALLEST_GROUP:
            raise ConfigError(f"min_seeds must be at least {SMALLEST_GROUP}, got {self.min_seeds}")
        if not self.shares or not all(0 < s <= 1 for s in (*self.shares, self.size)):
            raise ConfigError("size and shares must be above 0 and at most 1")
        checked_tags(self.features, "features")

    def customers(self, log: EventLog, as_of: datetime) -> pd.DataFrame:
        """The audience by ``user_id``, the most similar first: likeness in [0, 1] and rank from 1.

        It has no seeds.

        Raises
        ------
        DataError
            No seed file is given or it cannot be read, or too few seeds have bought.
        """
        ids, points = self._customer_points(log, as_of)
        is_seed = np.isin(ids, self._seeds(log, ids).index.to_numpy(dtype=str))
        likeness = self._likeness(points, is_seed)
        order = np.lexsort((ids, -likeness))  # of equals the first id
        others = order[~is_seed[order]]
        kept = others[: max(1, round(self.size * len(others)))]
        index = pd.Index(ids[kept], name="user_id")
        ranks = np.arange(1, len(kept) + 1)
        return pd.DataFrame({"likeness": likeness[kept], "rank": ranks}, index=index)

    def ranks_of_random_parts(self, log: EventLog, as_of: datetime) -> list[HeldOutRanks]:
        """The ranks of the seeds of each random part, by a model trained on the other parts."""
        ids, points = self._customer_points(log, as_of)
        seeds = self._seeds(log, ids).index
        fold = random_stream(self.seed, "held out seeds").permutation(len(seeds)) % FOLDS
        segments = RFM().customers(log, as_of)["segment"]
        return [
            self._rank_held_out(ids, points, seeds[fold != f], seeds[fold == f], segments)
            for f in range(FOLDS)
        ]

    def ranks_of_later_seeds(self, log: EventLog, as_of: datetime) -> list[HeldOutRanks]:
        """The ranks of the latest seeds, by a model trained on the earlier ones; none without dates.

        Raises
        ------
        DataError
            Too few of the seeds had bought by the date that parts them.
        """
        dates = self._seeds(log, buyers(log, as_of).index.to_numpy(dtype=str))
        if dates.isna().any():
            return []
        border = dates.sort_values().iloc[int(0.7 * len(dates))].to_pydatetime()
        then, points = self._customer_points(log, border)
        known = dates[dates.index.isin(then)]
        earlier, later = known.index[known < border], known.index[known >= border]
        if len(earlier) < SMALLEST_GROUP or len(later) < SMALLEST_GROUP:
            raise DataError(
                f"{len(earlier)} seeds before {border:%Y-%m-%d} and {len(later)} after it had bought "
                "by then: too few to measure a lift; leave out the dates"
            )
        return [
            self._rank_held_out(
                then, points, earlier, later, RFM().customers(log, border)["segment"]
            )
        ]

    def quality(self, log: EventLog, as_of: datetime) -> dict[str, float]:
        """The lift and the recall of an audience of `size`, and the lift of an order by RFM segment.

        By ``lift_on_later_seeds`` and so on with dates, else by ``lift_on_random_parts``.
        """
        later = self.ranks_of_later_seeds(log, as_of)
        ranks = later or self.ranks_of_random_parts(log, as_of)
        (row,) = lift_table(ranks, [self.size]).to_dict("records")
        held_out = "later_seeds" if later else "random_parts"
        figures = {"lift": "lift", "recall": "recall", "lift_by_rfm": "lift_by_segment"}
        return {f"{name}_on_{held_out}": row[figure] for name, figure in figures.items()}

    def composition(self, log: EventLog, as_of: datetime) -> pd.DataFrame:
        """One row an RFM segment: how many of the audience, of the seeds and of all buyers are in it.

        Columns segment, customers (of the audience), seeds, all, and each as a share of its whole.
        """
        segments = RFM().customers(log, as_of)["segment"]
        groups = {
            "customers": self.customers(log, as_of).index,
            "seeds": self._seeds(log, segments.index.to_numpy(dtype=str)).index,
            "all": segments.index,
        }
        rows = pd.DataFrame(
            {name: segments.reindex(ids).value_counts(sort=False) for name, ids in groups.items()}
        )
        shares = (rows / rows.sum()).add_prefix("share_of_")
        return rows.join(shares).rename_axis("segment").reset_index().astype({"segment": str})

    def find(self, scope: ReportScope) -> Findings:
        """Recall and lift by size of the audience, compared with an order by RFM segment; its composition."""
        if self.seeds is None:
            raise SectionUnavailable("no seeds: give a file with section.lookalike.seeds=FILE")
        later = self.ranks_of_later_seeds(scope.log, scope.as_of)
        tables = [self._lift_table("lookalike", "Lift on the latest seeds", later)] if later else []
        parts = self.ranks_of_random_parts(scope.log, scope.as_of)
        name, title = "lookalike_random_parts", "Random parts of the seeds: how alike they are"
        tables.append(
            replace(self._lift_table(name, title, parts), note=ALIKE, technical=bool(later))
        )
        composition = self.composition(scope.log, scope.as_of)
        tables.append(
            ReportTable(
                "lookalike_composition",
                "Who is in the audience",
                composition,
                COMPOSITION,
                **_composition_counts(composition, scope),
            )
        )
        audience = "The audience itself, a row a customer, comes from `growthlab segment`."
        return Findings(tuple(tables), (BY_DATE if later else NO_DATES, audience))

    def _lift_table(self, name: str, title: str, ranks: Sequence[HeldOutRanks]) -> ReportTable:
        plot = LinePlot(
            "share",
            ("recall", "recall_by_segment", "share_of_customers"),
            "Held-out seeds found, by size of the audience",
        )
        return ReportTable(
            name, title, lift_table(ranks, {*self.shares, self.size}), LIFT, plots=(plot,)
        )

    def _customer_points(self, log: EventLog, as_of: datetime) -> tuple[np.ndarray, np.ndarray]:
        ids = buyers(log, as_of).index.to_numpy(dtype=str)
        space = customer_space(log, as_of, checked_tags(self.features, "features"), ids)
        return space.user_ids, space.points

    def _seeds(self, log: EventLog, known: np.ndarray) -> pd.Series:
        """The date of each seed among the `known` customers, NaT where there is none, by id."""
        if self.seeds is None:
            raise DataError("a lookalike audience needs seeds: section.lookalike.seeds=FILE")
        option = "section.lookalike.seeds"
        path = existing_file(Path(self.seeds), option)
        table = read_marked_table(path)
        if "user_id" not in table:
            has = ", ".join(map(str, table.columns))
            raise DataError(f"{option}={path} needs a column user_id: it has {has}")
        dates: Any = pd.NaT
        if "date" in table:
            zone = log.calendar.timezone
            dates = to_local(as_times(table["date"], "date", timezone=zone), zone)
        ids = names_in_data(
            as_ids(table["user_id"]), known, log.key_fingerprint, f"{option}={path}"
        )
        seeds = pd.DataFrame({"user_id": ids, "date": dates})
        seeds = seeds.dropna(subset="user_id").drop_duplicates("user_id").set_index("user_id")
        inside = seeds.index.isin(known)
        if inside.sum() < self.min_seeds:
            raise DataError(
                f"{option}={path}: {inside.sum()} of {len(seeds)} seeds had bought, and "
                f"{self.min_seeds} are needed: fewer would reveal individuals"
            )
        return pd.to_datetime(seeds["date"][inside]).sort_index()

    def _likeness(self, points: np.ndarray, is_seed: np.ndarray) -> np.ndarray:
        """The probability of each customer of being a seed."""
        from sklearn.linear_model import LogisticRegression

        if is_seed.all():
            raise DataError("every customer is a seed: no customer is left to find")
        model = LogisticRegression(C=self.strength, max_iter=2000).fit(points, is_seed)
        return np.asarray(model.predict_proba(points)[:, 1], dtype=np.float64)

    def _rank_held_out(
        self,
        ids: np.ndarray,
        points: np.ndarray,
        training: pd.Index,
        held_out: pd.Index,
        segments: pd.Series,
    ) -> HeldOutRanks:
        is_training = np.isin(ids, training.to_numpy(dtype=str))
        likeness = pd.Series(self._likeness(points, is_training), index=ids)
        labels = segments.astype(str).reindex(ids)
        share = pd.Series(is_training, index=ids).groupby(labels).transform("mean")
        targets = ids[np.isin(ids, held_out.to_numpy(dtype=str))]
        ranks = []
        for score in (likeness, share):
            rest = -score[~is_training]
            for method in ("min", "max"):
                ranks.append(rest.rank(method=method)[targets].to_numpy())
        return HeldOutRanks(int((~is_training).sum()), *ranks)


def count_hits(first: np.ndarray, last: np.ndarray, size: int) -> float:
    """How many are among the first `size`; a group of equals across the border counts in part."""
    return float(np.clip((size - first + 1) / (last - first + 1), 0.0, 1.0).sum())


def lift_table(parts: Sequence[HeldOutRanks], shares: Iterable[float]) -> pd.DataFrame:
    """One row a size of the audience: held-out seeds found in it, recall and lift.

    recall = held-out seeds in the audience / all held-out seeds; lift = recall / the audience's
    share of the customers, which is what a random audience has.
    """
    rows = []
    total = sum(len(part.first) for part in parts)
    for share in sorted(shares):
        sizes = [max(1, round(share * part.n)) for part in parts]
        pairs = list(zip(parts, sizes, strict=True))
        exact_share = sum(sizes) / sum(part.n for part in parts)
        recall = sum(count_hits(p.first, p.last, n) for p, n in pairs) / total
        by_segment = (
            sum(count_hits(p.first_by_segment, p.last_by_segment, n) for p, n in pairs) / total
        )
        audience, n_hits = sum(sizes) // len(parts), round(recall * total)
        lifts = [recall, recall / exact_share, by_segment, by_segment / exact_share]
        rows.append([f"{share:.0%}", exact_share, audience, total, n_hits, *lifts])
    return pd.DataFrame(rows, columns=list(LIFT))


def _composition_counts(rows: pd.DataFrame, scope: ReportScope) -> dict[str, Any]:
    """The names and sums of the counts of `Lookalike.composition`."""
    names = {
        column: [
            segment_count(f"{column} of lookalike", label, scope.as_of) for label in rows["segment"]
        ]
        for column in ("customers", "seeds")
    }
    names["all"] = [segment_count("rfm_segments", label, scope.as_of) for label in rows["segment"]]
    totals = {
        "customers": count_at("customers of the audience", scope.as_of),
        "seeds": count_at("seeds", scope.as_of),
        "all": all_buyers(scope),
    }
    return {
        "count_names": names | {f"of_{c}": [total] * len(rows) for c, total in totals.items()},
        "behind": pd.DataFrame({f"of_{c}": rows[c].sum() for c in totals}, index=rows.index),
        "sums": tuple(Sum(total, tuple(names[column])) for column, total in totals.items()),
    }


BY_DATE = (
    "lift says how well an audience finds the latest seeds, which the model was not trained on, and "
    "lift_by_segment how well an order by RFM segment alone does; 1 is chance."
)
NO_DATES = (
    "The seeds have no dates, so that nothing is known of how well later seeds are found: give the seed "
    "file a column date."
)
ALIKE = (
    f"Each of {FOLDS} random parts of the seeds is looked for by the others. The portrait already knows what "
    "made them seeds, so that the lift says how alike they are, and not how well later ones are found."
)
_HELD_OUT, _FOUND = ("customers", "held_out"), ("found",)
LIFT = {
    "share": Column("label", "Size of the audience, as a share of the customers who are no seeds."),
    "share_of_customers": Column("share", "The same as a number.", _HELD_OUT),
    "customers": Column("customers", "Customers in the audience.", ("customers",)),
    "held_out": Column("customers", "Seeds that were held out.", ("held_out",)),
    "found": Column(
        "customers", "Those of them in the audience.", _HELD_OUT, _FOUND, part_of="held_out"
    ),
    "recall": Column("share", "found / held_out.", _HELD_OUT, _FOUND),
    "lift": Column(
        "ratio", "recall / the audience's share of the customers; 1 by chance.", _HELD_OUT, _FOUND
    ),
    "recall_by_segment": Column(
        "share",
        "The same where customers are ordered by the share of training seeds in their RFM segment.",
        _HELD_OUT,
    ),
    "lift_by_segment": Column("ratio", "The lift of that order.", _HELD_OUT),
}
COMPOSITION = {
    "segment": Column("label", "The RFM segment."),
    "customers": Column(
        "customers", "Customers of the audience in it.", ("customers",), part_of="all"
    ),
    "seeds": Column("customers", "Seeds in it.", ("seeds",), part_of="all"),
    "all": Column("customers", "All buyers in it.", ("all",)),
    "share_of_customers": Column(
        "share", "Its share of the audience.", ("customers",), reveals=("customers", "of_customers")
    ),
    "share_of_seeds": Column(
        "share", "Its share of the seeds.", ("seeds",), reveals=("seeds", "of_seeds")
    ),
    "share_of_all": Column(
        "share", "Its share of all buyers.", ("all",), reveals=("all", "of_all")
    ),
}
