"""The code of the logged MLflow model (models-from-code): a bundle behind the pyfunc interface."""

from __future__ import annotations

import warnings
from typing import Any

import pandas as pd
from growthlab.export.bundle import Bundle
from growthlab.export.tables import ANSWERS, ASKED, predictions, recommendations

from growthlab.core.errors import DataError

with warnings.catch_warnings():  # MLflow warns about type hints of its own
    warnings.simplefilter("ignore")
    from mlflow.models import set_model
    from mlflow.pyfunc import PythonModel


class BundleModel(PythonModel):
    """Answers each row of a table; one output row an input row, in their order."""

    def load_context(self, context: Any) -> None:
        """Load the bundle, checksums and all."""
        self.bundle = Bundle.load(context.artifacts["bundle"])

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Lists (items, scores) or a prediction for each row; see `growthlab.export.pyfunc`."""
        task = self.bundle.manifest.task
        if task != "top_n":
            found = predictions(self.bundle, model_input)
            answers = {ANSWERS[task]: [f.value for f in found], "served": [f.served for f in found]}
            return pd.DataFrame(answers, index=model_input.index)
        if not set(ASKED) & set(model_input.columns):
            raise DataError(f"the table has none of the columns {', '.join(ASKED)}")
        asked = params or {}
        k, filter_seen = int(asked.get("k", 10)), asked.get("filter_seen") or None
        lists = recommendations(self.bundle, model_input, k, filter_seen)
        columns = {
            "items": [[i.item for i in found.items] for found in lists],
            "scores": [[i.score for i in found.items] for found in lists],
            "served": [found.served for found in lists],
            "level": [found.level for found in lists],
            "reasons": [[i.reason or "" for i in found.items] for found in lists],
            "n_unknown_items": [found.n_unknown_items for found in lists],
        }
        return pd.DataFrame(columns, index=model_input.index)


set_model(BundleModel())
