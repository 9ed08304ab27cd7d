"""What the code of pyfunc models that were logged up to version 0.1 imports from ``export.tables``.

The code of a logged model lies among its files and stays as it was when it was logged.
"""

from __future__ import annotations

import pandas as pd

from growthlab.bundle import answer_table
from growthlab.bundle.answer_table import REQUEST_COLUMNS
from growthlab.bundle.answers import Prediction, Recommendation
from growthlab.bundle.bundle import Bundle
from growthlab.bundle.manifest import SCHEMA_1_ANSWERS
from growthlab.export.frame_rows import rows_of_frame

ASKED = REQUEST_COLUMNS
ANSWERS = {task: answer.field for task, answer in SCHEMA_1_ANSWERS.items() if answer.field}


def recommendations(
    bundle: Bundle, rows: pd.DataFrame, k: int, filter_seen: str | None = None
) -> list[Recommendation]:
    """See `answer_table.recommendations`."""
    return answer_table.recommendations(bundle, rows_of_frame(rows), k, filter_seen)


def predictions(bundle: Bundle, rows: pd.DataFrame) -> list[Prediction]:
    """See `answer_table.predictions`."""
    return answer_table.predictions(bundle, rows_of_frame(rows))
