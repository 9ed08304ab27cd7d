"""A bundle as an MLflow model without pickle, which MLflow's own tools load and serve."""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from growthlab.bundle.answer_table import REQUEST_COLUMNS
from growthlab.bundle.answers import PredictRequest
from growthlab.bundle.bundle import Bundle
from growthlab.registry.global_store import global_store
from growthlab.registry.unfinished_versions import mark

if TYPE_CHECKING:
    from mlflow.models import ModelSignature
    from mlflow.models.model import ModelInfo

log = logging.getLogger(__name__)

MODEL_CODE = Path(__file__).with_name("pyfunc_model.py")


def log_pyfunc(bundle: str | Path, *, uri: str, run_id: str, name: str = "model") -> ModelInfo:
    """Log the bundle in this folder as the model `name` of an MLflow run in the store at `uri`.

    The model takes a table with ``user_id`` and, where it answers with lists, ``history``, ``item``,
    ``basket`` and ``personalised`` (as `recommend_file` reads them; parameters ``k`` and
    ``filter_seen``), else the feature columns; every column and cell may be missing. It gives one
    row for each: ``items``, ``scores``, ``served``, ``level``, ``reasons`` and ``n_unknown_items``,
    or the number and ``served``.

    Raises
    ------
    BundleError
        The bundle is broken; nothing is logged then.
    """
    loaded = Bundle.load(bundle)
    with warnings.catch_warnings(), global_store(uri, run_id):
        warnings.filterwarnings("ignore", "(?s).*Any type hint is inferred", UserWarning)
        import mlflow.pyfunc  # warns about type hints of its own
        from mlflow.models import Model

        info = Model.log(
            None,
            flavor=mlflow.pyfunc,
            name=name,
            run_id=run_id,
            python_model=str(MODEL_CODE),
            artifacts={"bundle": str(bundle)},
            signature=_signature(loaded),
            input_example=_example(loaded),
            pip_requirements=_requirements(loaded),
            tags=mark(),
            metadata={"task": loaded.manifest.task, "bundle_version": loaded.manifest.version},
        )
    log.info("logged the bundle of run %s as %s", run_id, info.model_uri)
    return info


def _signature(bundle: Bundle) -> ModelSignature:
    """Types of the input and output columns."""
    from mlflow.models import ModelSignature
    from mlflow.types import DataType, ParamSchema, ParamSpec
    from mlflow.types.schema import AnyType, Array, ColSpec, Schema

    user = ColSpec(AnyType(), "user_id", required=False)  # ids may be numbers
    served = ColSpec(DataType.string, "served")
    if bundle.predictor is None:
        columns: list[Any] = [ColSpec(AnyType(), name, required=False) for name in REQUEST_COLUMNS]
        items, scores = Array(DataType.string), Array(DataType.double)
        unknown = ColSpec(DataType.long, "n_unknown_items")
        out: list[Any] = [ColSpec(items, "items"), ColSpec(scores, "scores"), served]
        out += [ColSpec(DataType.long, "level"), ColSpec(items, "reasons"), unknown]
        k, policy = ParamSpec("k", DataType.long, 10), ParamSpec("filter_seen", DataType.string, "")
        return ModelSignature(Schema(columns), Schema(out), ParamSchema([k, policy]))
    texts = bundle.predictor.texts
    features: list[Any] = [user]
    for column in bundle.predictor.scorer.columns:
        kind = DataType.string if column in texts else DataType.double
        features.append(ColSpec(kind, column, required=False))
    answer = ColSpec(DataType.double, bundle.manifest.answer.field)
    return ModelSignature(Schema(features), Schema([answer, served]))


def _example(bundle: Bundle) -> Any:
    """The bundle's example request as a table of one row."""
    import pandas as pd

    request, _ = bundle.example
    if isinstance(request, PredictRequest):
        return pd.DataFrame([request.features])
    return pd.DataFrame([{"history": json.dumps(request.history)}])


def _requirements(bundle: Bundle) -> list[str]:
    """The packages of a fresh environment, in the versions that the bundle was written with."""
    from importlib.metadata import version

    versions = {n: v for n, v in bundle.manifest.versions.items() if n != "python"}
    versions |= {n: version(n) for n in ("mlflow", "pandas")}
    return [f"{n}=={v.partition('+')[0]}" for n, v in versions.items()]
