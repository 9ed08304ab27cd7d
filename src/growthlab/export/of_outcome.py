"""The bundle of one outcome: the fitted model beside the state of the fold that it was judged on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from growthlab.bundle.manifest import Provenance
from growthlab.evaluation.outcome import Outcome
from growthlab.export.write_bundle import write_estimator, write_recommender
from growthlab.tasks.top_n import TopNData


def write_bundle(folder: Path, data: Any, outcome: Outcome, provenance: Provenance) -> Path:
    """A bundle in `folder`; `data` is what the task made of the fold.

    Raises
    ------
    ExportError
        The model cannot be exported, or the folder exists.
    """
    if isinstance(data, TopNData):
        return write_recommender(
            folder, outcome.scorer, provenance, histories=data.past, fallback=data.popularity
        )
    everyone = data.train.present if data.train.present is not None else data.judged
    return write_estimator(folder, outcome.scorer, provenance, customers=everyone, base=data.base)
