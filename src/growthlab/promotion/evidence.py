"""The evidence for the promotion gate, read from the stored runs of challenger and champion."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from growthlab.bundle.bundle import Bundle
from growthlab.bundle.item_index import recall_of
from growthlab.core.errors import ConfigError, ExportError, GrowthlabError
from growthlab.core.progress import progress
from growthlab.evaluation.superiority import (
    SuperiorityResult,
    SuperiorityTest,
    superiority_by_bootstrap,
    superiority_by_sign_flips,
)
from growthlab.export.parity import (
    N_TIMED,
    latency_of,
    parity_of,
    sample_of_ids,
    share_of_exact_lists,
)
from growthlab.pages.text_table import format_number
from growthlab.promotion.gate import Evidence, Gate, Measure
from growthlab.promotion.judged_run import JudgedRun
from growthlab.tasks.base import Task
from growthlab.tasks.objective import objective_metric, value_names
from growthlab.tracking.run_files import COSTS, PREDICTIONS

log = logging.getLogger(__name__)

TAGS_THAT_MUST_MATCH = ("data_digest", "split", "cutoff", "filter_seen")
TAGS_OF_A_WINDOW = ("task", "data_digest", "split", "cutoff")  # evaluations that count together
LARGER_IS_BETTER = ("coverage",)  # for the other costs less is better
SMALLEST_SEGMENT = "smallest_segment"
INDEX_RECALL = "index_recall"


def evidence_of(
    challenger: JudgedRun,
    champion: JudgedRun | None,
    task: Task,
    metrics: Mapping[str, Any],
    gate: Gate,
    objective_before: str | None = None,
) -> Evidence:
    """Everything that the gate looks at; `champion` is None where there is no model to beat.

    `objective_before` is the objective that the champion was promoted by; None without a champion.
    Where it is given without a `champion`, the challenger is the champion's own run exported again.

    Raises
    ------
    ConfigError
        The objective was not measured, or has the wrong direction; it differs from
        `objective_before` and the gate does not allow that; or the two runs differ in data, split,
        cutoff, filter, customers or truth.
    """
    objective = task.objective
    n_objectives = _n_objectives(challenger, champion, task, metrics, gate, objective_before)
    sides = {"challenger": challenger} | ({} if champion is None else {"champion": champion})
    for side, judged in sides.items():
        if math.isnan(judged.metric(f"valid/{objective}")):
            raise ConfigError(
                f"the {side}, run {judged.id}, has no valid/{objective}: train it with that metric"
            )
    if champion is not None:
        require_same_evaluation(challenger, champion)
    paired = None
    if champion is not None:
        paired = _paired(challenger, champion, task, metrics, gate, n_objectives)
    return Evidence(
        objective=objective,
        maximise=task.maximise,
        valid=challenger.metric(f"valid/{objective}"),
        valid_champion=None if champion is None else champion.metric(f"valid/{objective}"),
        paired=paired,
        measures=_measures(challenger, champion, task, metrics, gate),
        leakage=challenger.leakage,
        parity=parity_of(challenger.bundle, challenger.answers(), challenger.step_histories()),
        family=task.metrics,
        objective_before=objective_before,
        n_objectives=n_objectives,
    )


def _n_objectives(
    challenger: JudgedRun,
    champion: JudgedRun | None,
    task: Task,
    metrics: Mapping[str, Any],
    gate: Gate,
    before: str | None,
) -> int:
    """How many metrics the objective could be chosen from: 1 where it is the champion's."""
    if _directions(metrics).get(task.objective, task.maximise) != task.maximise:
        objective_metric(task, metrics)  # raises the error
    if before is None:
        return 1  # there is no champion
    if champion is None and task.objective != before:
        raise ConfigError(
            f"task.objective={task.objective}: the champion was promoted by {before}, and its own "
            f"run, exported again, keeps it: task.objective={before}"
        )
    if champion is None:
        return 1
    gate.require_objective(task.objective, before)
    if task.objective == before:
        return 1
    return len(_possible_objectives(challenger) | _possible_objectives(champion))


def _directions(metrics: Mapping[str, Any]) -> dict[str, bool]:
    """Whether larger is better, for each value that the metrics give."""
    return {n: m.larger_is_better for key, m in metrics.items() for n in value_names(m, key)}


def _possible_objectives(judged: JudgedRun) -> set[str]:
    """Everything that was measured on the validation window, so could have been the objective."""
    return {n for n in judged.measured if n.startswith("valid/")}


def require_same_evaluation(challenger: JudgedRun, champion: JudgedRun) -> None:
    """Raise a `ConfigError` where the two were not evaluated on the same data, customers and truth."""
    for tag in TAGS_THAT_MUST_MATCH:
        own, other = challenger.tags.get(tag, ""), champion.tags.get(tag, "")
        if own != other:
            own, other = (v[:12] if tag == "data_digest" else v for v in (own, other))
            raise ConfigError(
                f"the challenger was evaluated with {tag} {own or 'none'}, the champion (run "
                f"{champion.id}) with {other or 'none'}: train the champion's model on the "
                "challenger's data and split, and name that run with champion=RUN"
            )
    if not challenger.truth.equals(champion.truth):
        raise ConfigError(
            f"the challenger and the champion (run {champion.id}) were evaluated on different "
            "customers or a different truth: train both with the same task settings"
        )


def _paired(
    challenger: JudgedRun,
    champion: JudgedRun,
    task: Task,
    metrics: Mapping[str, Any],
    gate: Gate,
    n_objectives: int = 1,
) -> SuperiorityResult:
    """The paired tests, corrected for all evaluations on the same window.

    Each evaluation counts `n_objectives` times: for the other possible objectives with a p of 1.
    """
    has_predictions = f"{PREDICTIONS}.parquet" in challenger.files
    column = "prediction" if has_predictions else task.objective
    first = _values(champion, task.objective, has_predictions)
    columns = {champion.id: first[column].to_numpy(dtype=float)}
    seen = {_digest(columns[champion.id])}
    others = list(_other_evaluations(challenger, champion))
    n_unread = 0
    for judged in progress((challenger, *others), "reading evaluations", 1 + len(others)):
        try:
            table = _values(judged, task.objective, has_predictions)
        except (ExportError, KeyError, ValueError, OSError):
            if judged is challenger:
                raise
            n_unread += 1
            continue
        if not table["user_id"].equals(first["user_id"]):
            continue  # evaluated on other customers
        values = table[column].to_numpy(dtype=float)
        digest = _digest(values)
        if judged is challenger or digest not in seen:
            columns[judged.id] = values
        seen.add(digest)
    n_tests = len(columns) - 1 + n_unread
    log.info("evaluations on this window, the champion's not counted: %d", n_tests)
    contest = SuperiorityTest(
        champion=champion.id,
        challenger=challenger.id,
        maximise=task.maximise,
        margin=gate.margin,
        alpha=gate.alpha,
        n_unread=n_unread + (n_objectives - 1) * n_tests,
    )
    if has_predictions:
        (metric,) = objective_metric(task, metrics).values()
        label = first["label"].to_numpy(dtype=float)
        return superiority_by_bootstrap(pd.DataFrame(columns), label, metric, contest)
    return superiority_by_sign_flips(pd.DataFrame(columns), contest)


def _digest(values: np.ndarray) -> bytes:
    """A digest by which a repeated evaluation, with the same values, is recognised."""
    return hashlib.sha256(values.tobytes()).digest()


def _values(judged: JudgedRun, objective: str, has_predictions: bool) -> pd.DataFrame:
    """A row a customer, sorted by id."""
    if has_predictions:
        table = judged.table(PREDICTIONS, ["user_id", "label", "prediction"])
    else:
        table = judged.table("per_user", ["user_id", objective])
    return table.assign(user_id=table["user_id"].astype(str)).sort_values(
        "user_id", kind="stable", ignore_index=True
    )


def _other_evaluations(challenger: JudgedRun, champion: JudgedRun) -> Iterator[JudgedRun]:
    """Every other run of one model whose metrics on the same window were logged.

    In any experiment, as the same data may have another name; runs that failed or were stopped after
    their metrics were logged, and deleted runs, are included.
    """
    from mlflow.entities import ViewType

    client, everything = challenger.store.client, ViewType.ALL
    same = (f"tags.{tag} = '{challenger.tags.get(tag, '')}'" for tag in TAGS_OF_A_WINDOW)
    query = " AND ".join(("tags.kind = 'model'", *same))
    experiments = [
        e.experiment_id for e in _pages(partial(client.search_experiments, view_type=everything))
    ]
    for run in _pages(partial(client.search_runs, experiments, query, run_view_type=everything)):
        if run.info.run_id in (challenger.id, champion.id):
            continue
        judged = JudgedRun(challenger.store, run, challenger.folder.parent / run.info.run_id)
        if any(name.startswith("test/") for name in judged.measured):
            yield judged


def _pages(search: Callable[..., Any]) -> Iterator[Any]:
    """The results of a paged search of MLflow, one by one."""
    token = None
    while True:
        page = search(page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _measures(
    challenger: JudgedRun,
    champion: JudgedRun | None,
    task: Task,
    metrics: Mapping[str, Any],
    gate: Gate,
) -> dict[str, Measure]:
    """Everything that a guard or ``cheaper`` can name, with its direction."""
    logged = {n: (f"test/{n}", larger) for n, larger in _directions(metrics).items()}
    logged |= {n: (n, n in LARGER_IS_BETTER) for n in COSTS if n != "epochs"}

    def logged_measure(name: str, larger: bool) -> Measure:
        return Measure(
            challenger=challenger.metric(name),
            champion=None if champion is None else champion.metric(name),
            larger_is_better=larger,
            measured=name in challenger.measured,
        )

    measures = {n: logged_measure(*source) for n, source in logged.items()}
    users = sample_of_ids(challenger.truth["user_id"].to_numpy(), N_TIMED)
    own = _bundle_measures(challenger, users)
    other = {} if champion is None else _champion_values(champion, users)
    measures |= {n: replace(m, champion=other.get(n)) for n, m in own.items()}
    return {**measures, SMALLEST_SEGMENT: _smallest_segment(challenger, champion, task, gate)}


def _bundle_measures(judged: JudgedRun, users: np.ndarray) -> dict[str, Measure]:
    """Latency, size and index recall of the bundle that has the alias or would get it."""
    bundle = judged.bundle
    files = (f for f in bundle.folder.rglob("*") if f.is_file())
    size = sum(f.stat().st_size for f in files) / 2**20
    costs = latency_of(bundle, users) | {"bundle_mb": size}
    measures = {n: Measure(challenger=v) for n, v in costs.items()}
    if bundle.list_maker is None:
        return measures
    return measures | {INDEX_RECALL: _index_recall(bundle, users)}


def _index_recall(bundle: Bundle, users: np.ndarray) -> Measure:
    """The index's recall of the first ten items as in its manifest; 1 for exact lists.

    `Measure.about` says how much of the exact lists these customers get with it.
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
    return Measure(challenger=recall, larger_is_better=True, about=about, measured=known)


def _champion_values(champion: JudgedRun, users: np.ndarray) -> dict[str, float]:
    """The champion's bundle, measured right after the challenger's; empty where it is gone."""
    try:
        return {n: m.challenger for n, m in _bundle_measures(champion, users).items()}
    except GrowthlabError as error:
        log.warning("latency and size of the champion are not known: %s", error)
        return {}


def _smallest_segment(
    challenger: JudgedRun, champion: JudgedRun | None, task: Task, gate: Gate
) -> Measure:
    """The objective in the smallest segment with enough customers in which it is defined.

    Segments are the strata of the run's evaluation; a stratum that holds different numbers of
    customers for the two models depends on the model, and is ignored. NaN where none is large enough.
    """
    undefined = Measure(
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
    return Measure(
        challenger=float(row["value"]),
        champion=None if champion is None else float(row["value_champion"]),
        larger_is_better=task.maximise,
        about=f"{both.index[0]}, {int(row['n_users']):,} customers",
    )


def _segments(judged: JudgedRun, objective: str) -> pd.DataFrame:
    """The objective and the number of customers by stratum."""
    if "strata.csv" not in judged.files:
        return pd.DataFrame(columns=["value", "n_users"])
    table = pd.read_csv(judged.file("strata.csv"))
    return table[table["metric"] == objective].set_index("stratum")[["value", "n_users"]]
