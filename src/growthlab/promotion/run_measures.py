"""What a guard or a cost can name: each measure of the challenger, with the champion's."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from growthlab.bundle.bundle import Bundle
from growthlab.bundle.item_index import recall_of
from growthlab.core.errors import GrowthlabError
from growthlab.export.answer_cpu import latency_of
from growthlab.export.parity import sample_of_ids, share_of_exact_lists
from growthlab.pages.csv_table import table_of_csv
from growthlab.pages.text_table import format_number
from growthlab.promotion.compared_measure import ComparedMeasure
from growthlab.promotion.gate import Gate
from growthlab.promotion.model_run import ModelRun
from growthlab.tasks.base import Task
from growthlab.tasks.objective import value_names
from growthlab.tracking.run_files import COSTS

log = logging.getLogger(__name__)

N_CUSTOMERS = 200  # whose answers are measured
# what a busy machine makes larger, and the number of epochs, decide nothing
NOT_MEASURES = ("fit_seconds", "score_seconds", "epochs")
LARGER_IS_BETTER = ("coverage",)  # for the other costs less is better
SMALLEST_SEGMENT = "smallest_segment"
INDEX_RECALL = "index_recall"
SHORT_LISTS, FULL_LISTS = "short_list_rate_at_10", "full_lists"


def directions(metrics: Mapping[str, Any]) -> dict[str, bool]:
    """Whether larger is better, for each value that the metrics give."""
    return {n: m.larger_is_better for key, m in metrics.items() for n in value_names(m, key)}


def measures_of(
    challenger: ModelRun,
    champion: ModelRun | None,
    task: Task,
    metrics: Mapping[str, Any],
    gate: Gate,
) -> dict[str, ComparedMeasure]:
    """Everything that a guard or ``cheaper`` can name, with its direction."""
    logged = {n: (f"test/{n}", larger) for n, larger in directions(metrics).items()}
    logged |= {n: (n, n in LARGER_IS_BETTER) for n in COSTS if n not in NOT_MEASURES}

    def logged_measure(name: str, larger: bool) -> ComparedMeasure:
        return ComparedMeasure(
            challenger=challenger.metric(name),
            champion=None if champion is None else champion.metric(name),
            larger_is_better=larger,
            measured=name in challenger.measured,
        )

    measures = {n: logged_measure(*source) for n, source in logged.items()}
    if SHORT_LISTS in measures:
        measures[FULL_LISTS] = _complement(measures[SHORT_LISTS])
    measures |= _bundle_measures(challenger, champion)
    return {**measures, SMALLEST_SEGMENT: _smallest_segment(challenger, champion, task, gate)}


def _complement(share: ComparedMeasure) -> ComparedMeasure:
    """The share of those whom another share does not count."""
    champion = None if share.champion is None else 1 - share.champion
    return replace(
        share,
        challenger=1 - share.challenger,
        champion=champion,
        larger_is_better=not share.larger_is_better,
    )


def _bundle_measures(challenger: ModelRun, champion: ModelRun | None) -> dict[str, ComparedMeasure]:
    """Latency, size and index recall of the bundle that would get the alias, and of the one that has it.

    Both are asked in turn. The champion's are not known where its bundle is gone.
    """
    users = sample_of_ids(challenger.truth["user_id"].to_numpy(), N_CUSTOMERS)
    bundle, other = challenger.bundle, None if champion is None else _bundle_of(champion)
    own, *others = latency_of([bundle, *([] if other is None else [other])], users)
    measures = {
        name: ComparedMeasure(challenger=spread.value, spread=(spread.low, spread.high))
        for name, spread in own.items()
    }
    for latency in others:
        for name, (value, low, high) in latency.items():
            measures[name] = replace(measures[name], champion=value, champion_spread=(low, high))
    measures["bundle_mb"] = ComparedMeasure(
        challenger=_megabytes(bundle), champion=None if other is None else _megabytes(other)
    )
    if bundle.list_maker is not None:
        recall = None if other is None else recall_of(other.manifest.index)
        measures[INDEX_RECALL] = replace(_index_recall(bundle, users), champion=recall)
    return measures


def _bundle_of(champion: ModelRun) -> Bundle | None:
    """The champion's bundle; None where it is gone or damaged."""
    try:
        return champion.bundle
    except GrowthlabError as error:
        log.warning("latency and size of the champion are not known: %s", error)
        return None


def _megabytes(bundle: Bundle) -> float:
    return sum(f.stat().st_size for f in bundle.folder.rglob("*") if f.is_file()) / 2**20


def _index_recall(bundle: Bundle, users: np.ndarray) -> ComparedMeasure:
    """The index's recall of the first ten items as in its manifest; 1 for exact lists.

    `ComparedMeasure.about` says how much of the exact lists these customers get with it.
    """
    index, about = bundle.manifest.index, "no index, lists are exact"
    recall = recall_of(index)
    if index is not None:
        about = f"{index.get('probes')} of {index.get('lists')} parts of the catalogue searched"
        if bundle.list_maker is None or bundle.list_maker.index is None:
            about += ", but not here: faiss is not installed"
        else:
            share = share_of_exact_lists(bundle, users)
            about += f"; {format_number(share)} of the exact lists of {len(users):,} customers"
    known = not math.isnan(recall)
    return ComparedMeasure(challenger=recall, larger_is_better=True, about=about, measured=known)


def _smallest_segment(
    challenger: ModelRun, champion: ModelRun | None, task: Task, gate: Gate
) -> ComparedMeasure:
    """The objective in the smallest segment with enough customers in which it is defined.

    Segments are the strata of the run's evaluation; a stratum that holds different numbers of
    customers for the two models depends on the model, and is ignored. NaN where none is large enough.
    """
    undefined = ComparedMeasure(
        challenger=math.nan,
        champion=None if champion is None else math.nan,
        larger_is_better=task.maximise,
        about=f"none of {gate.segment_customers:,} customers or more",
    )
    own = _segments(challenger, task.objective)
    other = own if champion is None else _segments(champion, task.objective)
    both = own.join(other.add_suffix("_champion"), how="inner")
    if both.empty:
        return undefined
    same = both["n_users"] == both["n_users_champion"]
    enough = both["n_users"] >= gate.segment_customers
    both = both[same & enough & both["value_champion"].notna()].sort_values(
        "n_users", kind="stable"
    )
    if both.empty:
        return undefined
    row = both.iloc[0]
    log.info("smallest segment: %s, %d customers", both.index[0], row["n_users"])
    return ComparedMeasure(
        challenger=float(row["value"]),
        champion=None if champion is None else float(row["value_champion"]),
        larger_is_better=task.maximise,
        about=f"{both.index[0]}, {int(row['n_users']):,} customers",
    )


def _segments(judged: ModelRun, objective: str) -> pd.DataFrame:
    """The objective and the number of customers by stratum."""
    if "strata.csv" not in judged.files:
        return pd.DataFrame(columns=["value", "n_users"])
    table = table_of_csv(judged.file("strata.csv"))
    return table[table["metric"] == objective].set_index("stratum")[["value", "n_users"]]
