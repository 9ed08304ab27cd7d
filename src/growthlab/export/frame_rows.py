"""The rows of a pandas frame as requests to a bundle, which itself knows no pandas."""

from __future__ import annotations

import pandas as pd

from growthlab.bundle.answer_table import RequestRows


def rows_of_frame(frame: pd.DataFrame) -> RequestRows:
    """Each row as a request; a missing cell is empty."""
    columns = {
        str(name): values.astype(object).where(values.notna(), None).tolist()
        for name, values in frame.items()
    }
    return RequestRows(columns, len(frame))
