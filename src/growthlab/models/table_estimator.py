"""Any scikit-learn or LightGBM estimator as a churn or value model: the one adapter to Examples."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, DataError, ExportError, LackingDataError
from growthlab.core.library_estimators import SklearnEstimator
from growthlab.features.examples import Examples
from growthlab.models.base import Estimator, SaysStochastic
from growthlab.models.boosting import fit_with_early_stopping, patience_of
from growthlab.scorers.base import RowScorer
from growthlab.scorers.lightgbm_row_scorer import LightGBMRowScorer
from growthlab.scorers.linear_row_scorer import INVERSE, Design, LinearRowScorer, signed_log
from growthlab.training.fit_options import FitOptions

log = logging.getLogger(__name__)

JSON = re.compile(r'[\[\]{}":,]')


def wrap_estimator(model: Any) -> Estimator:
    """The model as an `Estimator`: scikit-learn's kind is wrapped in a `TableEstimator`.

    Raises
    ------
    ConfigError
        `model` is neither, or a classifier that gives no probabilities.
    """
    from sklearn.base import is_classifier

    if isinstance(model, Estimator):
        return model
    name = type(model).__name__
    if isinstance(model, SklearnEstimator):
        if is_classifier(model) and not gives_probabilities(model):
            raise ConfigError(
                f"{name} gives no probabilities: take one with predict_proba, "
                "or wrap it in sklearn.calibration.CalibratedClassifierCV"
            )
        return TableEstimator(model)
    raise ConfigError(f"{name} is no estimator of customers: it needs fit and predict")


def gives_probabilities(model: Any) -> bool:
    """Whether an estimator has ``predict_proba``, which scikit-learn may offer by its settings."""
    return hasattr(model, "predict_proba")


def is_stochastic(model: Any) -> bool:
    """Whether another seed gives another model."""
    return model.stochastic if isinstance(model, SaysStochastic) else is_seeded(model)


def is_seeded(estimator: Any) -> bool:
    """Whether scikit-learn's kind of estimator has a ``random_state``."""
    return isinstance(estimator, SklearnEstimator) and "random_state" in estimator.get_params()


class TableEstimator:
    """A classifier (predicts the probability of label 1) or regressor on the customer table.

    An estimator that allows NaN gets the table itself, with texts as the codes of their levels;
    others get `Design`: logarithms, medians for gaps, one scale, a column a level. `stochastic` if
    the estimator has a ``random_state``, which is set from the options' seed. LightGBM with an
    ``early_stopping_round`` is stopped early on the validation window, see
    `growthlab.models.boosting`.
    """

    design_: Design | None
    levels_: dict[str, tuple[str, ...]]
    columns_: tuple[str, ...]

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    @property
    def stochastic(self) -> bool:
        """Whether another seed gives another model."""
        return is_seeded(self.estimator)

    @property
    def name(self) -> str:
        """The name of the estimator's class."""
        return type(self.estimator).__name__

    def fit(
        self, examples: Examples, options: FitOptions, weights: np.ndarray | None = None
    ) -> Self:
        """Learn from the labelled examples; `weights` say how much each counts, ``(n,)``.

        Raises
        ------
        DataError
            There are no labels, or all are the same.
        LackingDataError
            The estimator is a classifier, and the target an amount.
        """
        from sklearn.base import clone, is_classifier

        target = examples.labels(self.name)
        if np.ptp(target) == 0:
            raise DataError(
                f"{self.name} has nothing to learn: all {len(target)} labels are {target[0]:g}; "
                "choose another split.horizon_days or task.activity_days"
            )
        self.fitted_ = clone(self.estimator)
        if self.stochastic:
            self.fitted_.set_params(random_state=options.seed)
        self.classifies_ = is_classifier(self.fitted_)
        if self.classifies_ and not np.isin(target, (0, 1)).all():
            raise LackingDataError(
                f"{self.name} is a classifier, and the target an amount: regressors fit"
            )
        self.columns_ = tuple(map(str, examples.table.columns))
        self.levels_ = _levels_of(examples.table)
        self.design_ = None if _allows_gaps(self.fitted_) else design_of(examples.table)
        label = target.astype(int) if self.classifies_ else target
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if weights is None:
                self._learn(self._inputs(examples.table), label, options)
            else:
                self.fitted_.fit(self._inputs(examples.table), label, sample_weight=weights)
        for message in sorted({str(w.message).splitlines()[0] for w in caught}):
            log.warning("%s: %s", self.name, message)
        return self

    def _learn(self, inputs: Any, label: np.ndarray, options: FitOptions) -> None:
        """Fit, with early stopping if the estimator can."""
        if patience_of(self.fitted_) is None:
            self.fitted_.fit(inputs, label)
            return

        def predict(booster: Any, rows: Examples) -> np.ndarray:
            matrix = self._inputs(rows.table).to_numpy(dtype=np.float64)
            return np.asarray(booster.predict(matrix, num_threads=1), dtype=np.float64)

        self.fitted_ = fit_with_early_stopping(self.fitted_, inputs, label, options, predict)

    def predict(self, examples: Examples) -> np.ndarray:
        """Probabilities or values, shape ``(n,)``; see `Estimator.predict`."""
        if not len(examples):
            return np.zeros(0)
        inputs = self._inputs(examples.table)
        if self.classifies_:
            return np.asarray(self.fitted_.predict_proba(inputs)[:, 1], dtype=np.float64)
        return np.asarray(self.fitted_.predict(inputs), dtype=np.float64).ravel()

    def scorer(self) -> RowScorer:
        """The fitted model as a bundle carries it.

        Raises
        ------
        ExportError
            The estimator is neither linear nor LightGBM's.
        """
        booster = getattr(self.fitted_, "booster_", None)
        if booster is not None and hasattr(booster, "model_to_string"):
            return LightGBMRowScorer(self.columns_, booster.model_to_string(), self.levels_)
        linear = self._linear()
        if linear is None:
            raise ExportError(
                f"{self.name} is not exportable: linear models and LightGBM are; "
                "it trains and compares, and cannot be promoted"
            )
        return linear

    def _inputs(self, table: pd.DataFrame) -> Any:
        """The table as the estimator takes it."""
        if self.design_ is not None:
            return self.design_.matrix(arrays_of(table, self.design_.columns))
        codes = {c: _codes(table[c], levels) for c, levels in self.levels_.items()}
        inputs = table[list(self.columns_)].assign(**codes)
        return inputs.set_axis(_names_for_lightgbm(self.columns_), axis=1)

    def _linear(self) -> LinearRowScorer | None:
        """The estimator as a linear model, with the link that gives the same predictions."""
        coefficients = getattr(self.fitted_, "coef_", None)
        if self.design_ is None or coefficients is None:
            return None
        flat = np.ravel(np.asarray(coefficients, dtype=np.float64))
        intercept = float(np.ravel(getattr(self.fitted_, "intercept_", 0.0))[0])
        if len(flat) != len(self.design_.mean) + len(self.design_.levels):
            return None
        probes = np.concatenate([np.zeros((1, len(flat))), np.eye(len(flat)), -np.eye(len(flat))])
        predict = self.fitted_.predict_proba if self.classifies_ else self.fitted_.predict
        predictions = predict(probes)[:, 1] if self.classifies_ else np.ravel(predict(probes))
        for link, inverse in INVERSE.items():
            if np.allclose(inverse(probes @ flat + intercept), predictions, rtol=1e-9, atol=1e-12):
                return LinearRowScorer(self.design_, flat, intercept, link)  # type: ignore[arg-type]
        return None


def design_of(table: pd.DataFrame) -> Design:
    """The design of a table: medians, means and scales of its numbers, levels of its categories.

    A column without any known value is 0; a constant one is only centred.
    """
    levels = _levels_of(table)
    numbers = tuple(str(c) for c in table if c not in levels)
    no_numbers = np.empty((len(table), 0))
    logs = np.column_stack([no_numbers, *(signed_log(table[c].to_numpy()) for c in numbers)])
    known = ~np.isnan(logs)
    median = np.array(
        [np.median(x[k]) if k.any() else 0.0 for x, k in zip(logs.T, known.T, strict=True)]
    )
    filled = np.where(known, logs, median)
    scale = filled.std(axis=0)
    pairs = tuple((column, value) for column, values in levels.items() for value in values)
    return Design(numbers, median, filled.mean(axis=0), np.where(scale > 1e-9, scale, 1.0), pairs)


def _levels_of(table: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """The values of each category column, sorted."""
    texts = [c for c in table if isinstance(table[c].dtype, pd.CategoricalDtype)]
    return {str(c): tuple(sorted(map(str, table[c].cat.categories))) for c in texts}


def _names_for_lightgbm(columns: tuple[str, ...]) -> list[str]:
    """The names, but for those with characters of JSON, which LightGBM refuses: their place instead."""
    return [f"column {i}" if JSON.search(name) else name for i, name in enumerate(columns)]


def _codes(texts: pd.Series, levels: tuple[str, ...]) -> pd.Series:
    """The index of each text in `levels`, NaN if unknown; trees split it as a number."""
    codes = texts.cat.set_categories(list(levels)).cat.codes.astype(np.float64)
    return codes.where(codes >= 0)


def arrays_of(table: pd.DataFrame, columns: tuple[str, ...]) -> Mapping[str, np.ndarray]:
    """The columns as arrays; the float64 ones are read at once, a tenth of the work of one by one."""
    kinds = dict(zip(table.columns, table.dtypes, strict=True))
    numbers = [c for c in columns if kinds[c] == np.float64]
    block = dict(zip(numbers, table[numbers].to_numpy().T, strict=True))
    return {c: block[c] if c in block else table[c].to_numpy() for c in columns}


def _allows_gaps(estimator: Any) -> bool:
    """Whether the estimator takes NaN."""
    from sklearn.utils import get_tags

    return bool(get_tags(estimator).input_tags.allow_nan)
