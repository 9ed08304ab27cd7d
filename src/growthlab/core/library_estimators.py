"""The estimators of scikit-learn and LightGBM that a config may name, and their settings."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

from growthlab.core.errors import ConfigError, near_matches, quoted

LIGHTGBM_CLASSES = ("lightgbm.LGBMClassifier", "lightgbm.LGBMRegressor")
# scikit-learn's public modules of estimators that learn from tables; those that read files are left out
_SKLEARN_MODULES = """
calibration cluster compose cross_decomposition decomposition discriminant_analysis dummy ensemble
feature_selection gaussian_process impute isotonic kernel_approximation kernel_ridge linear_model
manifold mixture model_selection multiclass multioutput naive_bayes neighbors neural_network pipeline
preprocessing random_projection semi_supervised svm tree
"""
# scikit-learn's own searches set these on what they hold
SEARCHED_SETTINGS = ("param_grid", "param_distributions")
# settings that name a folder of pickles, or a text that joblib evaluates
SKLEARN_SETTINGS_REFUSED = ("memory", "pre_dispatch")
# LightGBM takes any keyword; these only change how it learns. Others read or write files or open ports.
_LIGHTGBM_SETTINGS = """
early_stopping_round early_stopping_min_delta first_metric_only metric deterministic force_row_wise
force_col_wise histogram_pool_size verbose verbosity seed data_random_seed bagging_seed
feature_fraction_seed extra_seed drop_seed objective_seed max_bin min_data_in_bin
bin_construct_sample_cnt feature_pre_filter use_missing zero_as_missing enable_bundle
data_sample_strategy max_delta_step bagging_by_query pos_bagging_fraction neg_bagging_fraction
feature_fraction_bynode extra_trees linear_tree linear_lambda path_smooth top_rate other_rate
drop_rate max_drop skip_drop xgboost_dart_mode uniform_drop min_data_per_group max_cat_threshold
cat_l2 cat_smooth max_cat_to_onehot monotone_constraints monotone_constraints_method
monotone_penalty feature_contri interaction_constraints cegb_tradeoff cegb_penalty_split
boost_from_average reg_sqrt alpha fair_c poisson_max_delta_step tweedie_variance_power is_unbalance
scale_pos_weight sigmoid use_quantized_grad num_grad_quant_bins quant_train_renew_leaf
stochastic_rounding
"""
MOST_JOBS = 128  # processes or threads of an estimator
SKLEARN_MODULES = frozenset(_SKLEARN_MODULES.split())
LIGHTGBM_SETTINGS = frozenset(_LIGHTGBM_SETTINGS.split())


@runtime_checkable
class SklearnEstimator(Protocol):
    """scikit-learn's contract, which LightGBM follows too."""

    def fit(self, X: Any, y: Any) -> Any:
        """Learn from a table and its labels."""
        ...

    def predict(self, X: Any) -> Any:
        """One prediction a row."""
        ...

    def get_params(self) -> dict[str, Any]:
        """The settings by name."""
        ...


class SklearnClassifier(SklearnEstimator, Protocol):
    """An estimator whose tags call it a classifier; as a type of a setting, a config may name any."""


class SklearnRegressor(SklearnEstimator, Protocol):
    """An estimator whose tags call it a regressor; as a type of a setting, a config may name any."""


LIBRARY_KINDS = (SklearnClassifier, SklearnRegressor)


def is_library_name(target: str) -> bool:
    """Whether a dotted name is one of scikit-learn or LightGBM."""
    return target.partition(".")[0] in ("sklearn", "lightgbm")


def library_class(target: str) -> type | None:
    """The estimator with that public name; None if there is none, or it may not be named.

    Only the module that the name needs is imported, and only if it is one that may be named.
    """
    package, _, rest = target.partition(".")
    module_name, _, name = rest.rpartition(".")
    if package == "lightgbm":
        return _attribute("lightgbm", name or rest) if target in LIGHTGBM_CLASSES else None
    if module_name not in SKLEARN_MODULES:
        return None
    from sklearn.base import BaseEstimator

    module = f"sklearn.{module_name}"
    named: Any = _attribute(module, name)
    is_estimator = isinstance(named, type) and issubclass(named, BaseEstimator)
    if not is_estimator or not (named.__module__ == module or _is_listed(module, name)):
        return None
    return named


def refuse_settings(
    target: type, settings: Mapping[str, Any], named: Collection[str], where: str
) -> None:
    """Raise a `ConfigError` for a setting of a library's class that reaches beyond its arithmetic.

    `named` are the arguments in the class's signature. A search of scikit-learn's sets settings of the
    estimators inside it, which are checked like its own.
    """
    for key, value in settings.items():
        if key in SKLEARN_SETTINGS_REFUSED and value is not None:
            raise ConfigError(f"{where}.{key} cannot be set: it names a folder or is evaluated")
        if key == "n_jobs" and isinstance(value, int) and value > MOST_JOBS:
            raise ConfigError(f"{where}.n_jobs={value}: at most {MOST_JOBS}, or -1 for every core")
        if key not in named and key not in LIGHTGBM_SETTINGS:
            missing = f"{target.__name__} has no setting {quoted(key)}"
            possible = near_matches(key, {*named, *LIGHTGBM_SETTINGS})
            raise ConfigError(f"{where}.{quoted(key)}: {missing}: {possible}")
        if is_lightgbm(target):
            _refuse_joined_settings(value, f"{where}.{key}")
        if key in SEARCHED_SETTINGS:
            _refuse_searched(value, _arguments_inside(settings), f"{where}.{key}")


def is_lightgbm(target: type) -> bool:
    """Whether a class is one of LightGBM."""
    return target.__module__.partition(".")[0] == "lightgbm"


def _refuse_joined_settings(value: Any, where: str) -> None:
    """Raise a `ConfigError` for a text that LightGBM would read as more settings: it joins all by blanks."""
    for text in _texts_in(value):
        if "=" in text or any(c.isspace() for c in text):
            raise ConfigError(
                f"{where}={quoted(repr(text))}: a text without blanks and = is possible"
            )


def _refuse_searched(value: Any, known: Collection[str], where: str) -> None:
    """Raise a `ConfigError` for a setting of a search that none of the estimators inside it has."""
    if isinstance(value, Mapping):
        for key, values in value.items():
            name = str(key).rpartition("__")[2]
            if name in SKLEARN_SETTINGS_REFUSED or name not in known:
                raise ConfigError(
                    f"{where}.{quoted(str(key))} cannot be searched: {near_matches(name, known)}"
                )
            _refuse_joined_settings(values, f"{where}.{quoted(str(key))}")
    elif isinstance(value, (list, tuple)):
        for each in value:
            _refuse_searched(each, known, where)


def _arguments_inside(node: Any) -> set[str]:
    """The arguments of all library classes that are named inside a node."""
    known: set[str] = set()
    children = (
        node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ()
    )
    if isinstance(node, Mapping) and isinstance(node.get("_target_"), str):
        target = library_class(node["_target_"])
        known |= set(inspect.signature(target).parameters) if target is not None else set()
        known |= LIGHTGBM_SETTINGS if target is not None and is_lightgbm(target) else set()
    for child in children:
        known |= _arguments_inside(child)
    return known - set(SKLEARN_SETTINGS_REFUSED)


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, child in value.items():
            yield from _texts_in(key)
            yield from _texts_in(child)
    elif isinstance(value, (list, tuple)):
        for child in value:
            yield from _texts_in(child)


def is_of_kind(estimator: Any, kinds: Collection[Any]) -> bool:
    """Whether scikit-learn's tags say that the estimator is of one of the kinds."""
    from sklearn.base import is_classifier, is_regressor

    return (SklearnClassifier in kinds and is_classifier(estimator)) or (
        SklearnRegressor in kinds and is_regressor(estimator)
    )


def kinds_in_words(kinds: Collection[Any]) -> str:
    """The kinds of library estimators for a message; empty if there are none."""
    words = {SklearnClassifier: "classifiers", SklearnRegressor: "regressors"}
    allowed = [word for kind, word in words.items() if kind in kinds]
    return f"{' and '.join(allowed)} of scikit-learn and LightGBM" if allowed else ""


def _attribute(module: str, name: str) -> Any:
    try:
        return getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None


def _is_listed(module: str, name: str) -> bool:
    return name in getattr(importlib.import_module(module), "__all__", ())
