"""The code of the logged MLflow model (models-from-code): a bundle behind the pyfunc interface."""

from __future__ import annotations

import warnings
from typing import Any

import pandas as pd

from growthlab.bundle.answer_table import REQUEST_COLUMNS, predictions, recommendations
from growthlab.bundle.bundle import Bundle
from growthlab.core.errors import DataError
from growthlab.export.frame_rows import rows_of_frame

with warnings.catch_warnings():  # MLflow warns about type hints of its own
    warnings.simplefilter("ignore")
    from mlflow.models import set_model
    from mlflow.pyfunc import PythonModel


class BundleModel(PythonModel):
    """Answers each row of a table; one output row an input row, in their order."""

    def load_context(self, context: Any) -> None:
        """Load the bundle and verify its checksums."""
        self.bundle = Bundle.load(context.artifacts["bundle"])

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """A list (items, scores) or a number for each row; see `growthlab.registry.pyfunc`."""
        rows = rows_of_frame(model_input)
        answer = self.bundle.manifest.answer
        if not answer.kind.is_list:
            numbers = predictions(self.bundle, rows)
            answers = {
                answer.field: [number.value for number in numbers],
                "served": [number.served for number in numbers],
            }
            return pd.DataFrame(answers, index=model_input.index)
        if not set(REQUEST_COLUMNS) & set(model_input.columns):
            raise DataError(f"the table has none of the columns {', '.join(REQUEST_COLUMNS)}")
        settings = params or {}
        k, filter_seen = int(settings.get("k", 10)), settings.get("filter_seen") or None
        lists = recommendations(self.bundle, rows, k, filter_seen)
        columns = {
            "items": [[i.item for i in each.items] for each in lists],
            "scores": [[i.score for i in each.items] for each in lists],
            "served": [each.served for each in lists],
            "level": [each.level for each in lists],
            "reasons": [[i.reason or "" for i in each.items] for each in lists],
            "n_unknown_items": [each.n_unknown_items for each in lists],
        }
        return pd.DataFrame(columns, index=model_input.index)


set_model(BundleModel())
