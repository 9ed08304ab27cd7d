"""A fitted buy-till-you-die model as a scorer: whether the customers of a table buy, or what they spend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from growthlab.core.array_schema import FLOAT, NUMBER, ArraySchema, Schema
from growthlab.core.errors import BundleError
from growthlab.scorers.btyd_models import (
    BGNBD,
    NO_DISCOUNT,
    PURCHASE_MODELS,
    Discount,
    GammaGamma,
    PurchaseModel,
)

SUMMARY = ("frequency", "recency", "T")
SPEND_SUMMARY = (*SUMMARY, "monetary_value")
LONGEST_DAYS = 36_525  # a century
BLOCK = 65_536  # customers at a time: bounds the memory


@dataclass(frozen=True)
class BTYDRowScorer:
    """The expected spend in the horizon; without a model of `spend` the probability of no purchase.

    The columns are those of the purchase summary, in days. A customer without a purchase (NaN) counts
    as one who was observed for no time, and spends nothing. Impossible values, such as a recency
    beyond T, count as the nearest possible ones. The horizon begins `gap_days` after the snapshot; for
    another one, replace `horizon_days`. Spend is discounted, see `Discount`; probabilities are not.
    """

    kind: ClassVar[str] = "btyd_row_scorer"
    schema: ClassVar[Schema] = {
        "model": ArraySchema(dtypes=("text",), values=tuple(PURCHASE_MODELS)),
        "purchases": ArraySchema(dtypes=FLOAT, shape=(4,), low=1e-12),
        "horizon_days": ArraySchema(dtypes=NUMBER, low=1e-9, high=LONGEST_DAYS),
        "discount": ArraySchema(dtypes=FLOAT, shape=(3,), low=0),
        "gap_days": ArraySchema(dtypes=NUMBER, low=0, high=LONGEST_DAYS),
        "spend": ArraySchema(dtypes=FLOAT, shape=(3,), low=1e-12, optional=True),
    }

    purchases: PurchaseModel
    horizon_days: float
    spend: GammaGamma | None = None
    discount: Discount = NO_DISCOUNT
    gap_days: float = 0.0

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the purchase summary that are read."""
        return SUMMARY if self.spend is None else SPEND_SUMMARY

    def predict(self, table: Mapping[str, np.ndarray]) -> np.ndarray:
        """Predictions, shape ``(n,)``; see `RowScorer.predict`."""
        columns = [np.asarray(table[c], dtype=float) for c in self.columns]
        starts = range(0, max(len(columns[0]), 1), BLOCK)
        return np.concatenate([self._of(*(c[i : i + BLOCK] for c in columns)) for i in starts])

    def _of(self, frequency: np.ndarray, *others: np.ndarray) -> np.ndarray:
        """The predictions of a block."""
        x, t_x, T = (np.maximum(np.nan_to_num(c), 0.0) for c in (frequency, *others[:2]))
        t_x = np.minimum(t_x, T)
        if self.spend is None:
            assert isinstance(self.purchases, BGNBD)
            return 1 - self.purchases.p_purchase(x, t_x, T, self.horizon_days, self.gap_days)
        window = self.horizon_days, self.gap_days
        expected = self.discount.purchases(self.purchases, x, t_x, T, *window)
        return np.where(np.isfinite(frequency), expected * self.spend.spend(x, others[2]), 0.0)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The parameters, the horizon and the discount."""
        names = {model: name for name, model in PURCHASE_MODELS.items()}
        arrays = {
            "model": np.array(names[type(self.purchases)]),
            "purchases": np.array(self.purchases),
            "horizon_days": np.array(self.horizon_days),
            "discount": np.array(self.discount),
            "gap_days": np.array(self.gap_days),
        }
        return arrays | ({} if self.spend is None else {"spend": np.array(self.spend)})

    def to_files(self) -> dict[str, bytes]:
        """None: the parameters are arrays."""
        return {}

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` wrote."""
        model = str(arrays["model"])
        if model not in PURCHASE_MODELS:
            raise BundleError(f"btyd_row_scorer knows {', '.join(PURCHASE_MODELS)}, not {model}")
        return cls(
            PURCHASE_MODELS[model](*arrays["purchases"].tolist()),
            float(arrays["horizon_days"]),
            GammaGamma(*arrays["spend"].tolist()) if "spend" in arrays else None,
            Discount(*arrays["discount"].tolist()),
            float(arrays["gap_days"]),
        )
