"""Runs that were logged before, side by side as one comparison, with the lists of another tool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from growthlab.bundle.table_files import read_blocks
from growthlab.config.compose import Command
from growthlab.core.errors import ConfigError, DataError, quoted
from growthlab.core.pseudonyms import NAMES_IN_DATA, find_key
from growthlab.evaluation.comparison import Comparison
from growthlab.evaluation.outcome import Outcome
from growthlab.models.given_lists import GivenLists
from growthlab.pages.page import Badge
from growthlab.review.review_contents import ReviewContents, SettingsOfModel
from growthlab.tasks.base import RankingTask, StepData
from growthlab.tasks.fold_evaluation import FoldEvaluation
from growthlab.tracking.find_run import find_model_run
from growthlab.tracking.run_files import read_outcome, read_tables
from growthlab.tracking.run_links import run_address
from growthlab.tracking.store import Store
from growthlab.workbench.earlier_runs import command_of_logged, logged_config_of
from growthlab.workbench.review_inputs import (
    TABLES_SHOWN,
    badges_of,
    changed_settings,
    customer_contents,
)
from growthlab.workbench.set_up import set_up, tracking_store
from growthlab.workbench.workbench import Workbench

Run = Any  # of MLflow, which only tracking knows
TAGS_ALIKE = ("task", "data", "data_digest", "split", "cutoff", "origin")
LIST_COLUMNS = ("user_id", "item_id", "rank")
BLOCK = 200_000  # rows


def review_of_runs(command: Command) -> tuple[Workbench, ReviewContents]:
    """The workbench of the first run, and the contents of a page of all runs of ``runs``.

    Raises
    ------
    ConfigError
        There is no such run, or they were not evaluated alike.
    DataError
        The data is not that of the runs any more, or the file of lists cannot be read.
    """
    store = tracking_store(command.config)
    runs = _runs(store, command.config)
    first = runs[0]
    word = f"runs={first.info.run_id}"
    bench = set_up(command_of_logged(store, str(first.info.run_id), word, command))
    if bench.lineage.digest != first.data.tags["data_digest"]:
        raise DataError(
            f"data={bench.data_name} is not that of the runs: its content has changed since"
        )
    labels = _labels([run.data.tags["model"] for run in runs], runs)
    outcomes = [_outcome(store, run, label) for run, label in zip(runs, labels, strict=True)]
    if command.config.lists is not None:
        outcomes.append(_given_outcome(bench, Path(str(command.config.lists)), labels))
    comparison = Comparison(
        {0: outcomes},
        bench.task.objective,
        bench.task.maximise,
        baselines=[labels[0]],
        title=f"{bench.data_name}: {bench.command.choice('task')}, {len(outcomes)} models",
        leakage=bench.leakage(0),
        metrics=bench.metrics,
        columns=bench.columns,
        min_deciding=bench.task.min_deciding,
        bundle_mb=_sizes(runs, labels),
    )
    contents = replace(
        customer_contents(bench, comparison, command.config.pictures),
        badges=[*badges_of(bench), *_links(store, runs, labels)],
        settings=[_settings(bench, store, run, n) for run, n in zip(runs, labels, strict=True)],
    )
    missing = {
        **contents.missing,
        "earlier": "Single runs are compared here, whatever came before.",
    }
    return bench, replace(contents, missing=missing)


def _runs(store: Store, config: Any) -> list[Run]:
    """The finished runs of the setting ``runs``, which must have been evaluated alike."""
    ids = [config.runs] if isinstance(config.runs, str) else list(config.runs)
    least = 1 if config.lists is not None else 2
    if len(ids) < least or len(set(map(str, ids))) < len(ids):
        raise ConfigError(f"runs={ids}: name {least} runs or more, each once, such as [ID,ID]")
    runs = [find_model_run(store, f"runs={run_id}", finished=True) for run_id in ids]
    for run in runs[1:]:
        for tag in TAGS_ALIKE:
            one, other = (each.data.tags.get(tag, "") for each in (runs[0], run))
            if one != other:
                raise ConfigError(
                    f"runs: {run.info.run_id} has {tag} {quoted(other)}, and "
                    f"{runs[0].info.run_id} {quoted(one)}: they cannot be compared"
                )
    return runs


def _labels(models: Sequence[str], runs: Sequence[Run]) -> list[str]:
    """The name of each run's model, with the run where two are of the same."""
    return [
        model if models.count(model) == 1 else f"{model} {run.info.run_id[:8]}"
        for model, run in zip(models, runs, strict=True)
    ]


def _outcome(store: Store, run: Run, label: str) -> Outcome:
    """The outcome of a run under its label, with the tables that the page shows."""
    outcome = read_outcome(store.client, run)
    tables = outcome.tables | read_tables(store.client, run.info.run_id, TABLES_SHOWN)
    return replace(outcome, name=label, tables=tables)


def _sizes(runs: Sequence[Run], labels: Sequence[str]) -> dict[str, float]:
    sizes = (run.data.metrics.get("bundle_mb", np.nan) for run in runs)
    return dict(zip(labels, sizes, strict=True))


def _links(store: Store, runs: Sequence[Run], labels: Sequence[str]) -> list[Badge]:
    return [
        Badge("run", label, run_address(store, run.info.experiment_id, run.info.run_id))
        for run, label in zip(runs, labels, strict=True)
    ]


def _settings(bench: Workbench, store: Store, run: Run, label: str) -> SettingsOfModel:
    settings = logged_config_of(store, run.info.run_id)["model"]
    return changed_settings(bench, label, run.data.tags["model"], settings)


def _given_outcome(bench: Workbench, path: Path, taken: Sequence[str]) -> Outcome:
    """The lists of a file, evaluated like those of the runs; nothing is known of the validation window."""
    evaluation = FoldEvaluation(bench.task, bench.folds[0], bench.metrics)
    if not isinstance(bench.task, RankingTask):
        raise ConfigError(f"lists={path}: task={bench.lineage.task} has no lists")
    data = evaluation.test_data
    if isinstance(data, StepData) and data.steps is not None:
        raise ConfigError(f"lists={path}: the runs answer after each step, and a file has one list")
    lists = _lists_of(path, bench)
    result = bench.task.evaluate(lists, data, bench.metrics, seed=0)
    name = path.stem if path.stem not in taken else f"{path.stem} (file)"
    return Outcome(
        model=None,
        name=name,
        seed=0,
        valid={},
        test=result.values,
        per_user=result.per_user,
        strata=result.strata,
        tables=result.tables,
        fit_seconds=np.nan,
        score_seconds=np.nan,
        peak_memory_mb=np.nan,
        coverage=result.coverage,
        rough=result.rough,
        why_not_exportable="lists of a file are no model",
    )


def _lists_of(path: Path, bench: Workbench) -> GivenLists:
    """The lists of a file by the names that the data has for its customers."""
    if not path.is_file():
        raise ConfigError(f"lists={path}: there is no such file")
    frames = [pd.DataFrame(columns) for columns, _ in read_blocks(path, BLOCK)]
    table = pd.concat(frames) if frames else pd.DataFrame()
    absent = [name for name in LIST_COLUMNS if name not in table]
    if absent:
        raise DataError(f"lists={path} has no column {', '.join(absent)}: it needs {LIST_COLUMNS}")
    rank = pd.to_numeric(table["rank"], errors="coerce")
    if rank.isna().any():
        raise DataError(f"lists={path}: rank must be a number, 1 for the first place")
    ids = table["user_id"].astype(str)
    fingerprint = bench.data.key_fingerprint
    key = find_key()
    if fingerprint is not None:
        if key is None or key.fingerprint != fingerprint:
            raise ConfigError(
                f"lists={path}: the key of the data's pseudonyms is not on this machine"
            )
        named = {user: key.pseudonym(NAMES_IN_DATA, user) for user in ids.unique()}
        ids = ids.map(named)
    ordered = table.assign(user_id=ids, rank=rank).sort_values(["user_id", "rank"], kind="stable")
    by_user = ordered.groupby("user_id", sort=False)["item_id"]
    return GivenLists({str(u): items.astype(str).to_numpy(dtype=str) for u, items in by_user})
