"""The paired test of a challenger against another run, on the values of both runs' customers."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from growthlab.core.errors import ExportError
from growthlab.core.progress import progress
from growthlab.core.storage_faults import raise_if_storage_failed
from growthlab.evaluation.superiority import (
    SuperiorityResult,
    SuperiorityTest,
    superiority_by_bootstrap,
    superiority_by_sign_flips,
)
from growthlab.metrics.predictions import label_of
from growthlab.promotion.gate import Gate
from growthlab.promotion.model_run import ModelRun
from growthlab.tasks.base import Task
from growthlab.tasks.objective import objective_metric

log = logging.getLogger(__name__)


def paired_test(
    challenger: ModelRun,
    champion: ModelRun,
    task: Task,
    metrics: Mapping[str, Any],
    gate: Gate,
    others: Iterable[ModelRun] = (),
    n_objectives: int = 1,
) -> SuperiorityResult:
    """The challenger against the champion, corrected for the other evaluations on the same window.

    Each evaluation counts `n_objectives` times: for the other possible objectives with a p of 1.
    """
    first = champion.values_of(task.objective)
    column = task.objective if task.objective in first else "prediction"
    columns = {champion.id: first[column].to_numpy(dtype=float)}
    seen = {_digest(columns[champion.id])}
    others = list(others)
    n_unread = 0
    for judged in progress((challenger, *others), "reading evaluations", 1 + len(others)):
        try:
            table = judged.values_of(task.objective)
        except (ExportError, KeyError, ValueError, OSError) as error:
            raise_if_storage_failed(error)
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
    if column == "prediction":
        (metric,) = objective_metric(task, metrics).values()
        label = label_of(first)
        return superiority_by_bootstrap(pd.DataFrame(columns), label, metric, contest)
    return superiority_by_sign_flips(pd.DataFrame(columns), contest)


def _digest(values: np.ndarray) -> bytes:
    """A digest by which a repeated evaluation, with the same values, is recognised."""
    return hashlib.sha256(values.tobytes()).digest()
