"""What the searches of several models found, for the page of their comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class SearchResults:
    """What the searches of a comparison found: a table with a row a model, and the value of each trial.

    `courses` are by model, in the order of the trials; NaN where a trial has none. `importance` is by
    model and setting, see `setting_importance`.
    """

    table: pd.DataFrame
    courses: Mapping[str, Sequence[float]]
    importance: Mapping[str, Mapping[str, float]]
