"""From a fitted model to a bundle folder: written as a whole or not at all, with pseudonyms only."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from growthlab.bundle.bundle import (
    CATALOGUE,
    CONTENT,
    CUSTOMERS,
    EXAMPLE,
    FALLBACK,
    FEATURE,
    HISTORIES,
    MODEL,
    Bundle,
)
from growthlab.bundle.customer_names import CustomerNames
from growthlab.bundle.manifest import MANIFEST, Manifest, Provenance, checksums_of
from growthlab.bundle.signing import sign
from growthlab.core.atomic_write import atomic_folder
from growthlab.core.errors import DataError, ExportError
from growthlab.core.histories import Catalogue, Histories
from growthlab.core.pseudonyms import find_or_create_key
from growthlab.export.model_card import model_card
from growthlab.export.save_arrays import save_arrays
from growthlab.export.write_reference import write_reference
from growthlab.scorers.base import RowScorer, Savable, Scorer
from growthlab.scorers.content_profile import ContentProfile
from growthlab.scorers.dense_content_profile import DenseContentProfile

if TYPE_CHECKING:
    from growthlab.evaluation.outcome import Outcome
    from growthlab.features.examples import Examples

log = logging.getLogger(__name__)

SERVING_PACKAGES = ("numpy", "scipy", "onnxruntime", "lightgbm")


def write_bundle(
    folder: Path, data: Any, outcome: Outcome, provenance: Provenance, *, overwrite: bool = False
) -> Path:
    """The bundle of an outcome in `folder`, with the state of the fold that it was evaluated on.

    `data` is what the task made of the fold; with `overwrite` another bundle in the folder is replaced.

    Raises
    ------
    ExportError
        The model cannot be exported, or the folder exists.
    """
    if provenance.answer.kind.is_list:
        return write_recommender(
            folder,
            outcome.scorer,
            provenance,
            histories=data.past,
            fallback=data.popularity,
            overwrite=overwrite,
        )
    customers = data.evaluated if data.train.present is None else data.train.present
    return write_estimator(
        folder,
        outcome.scorer,
        provenance,
        customers=customers,
        base=data.mean_outcome,
        overwrite=overwrite,
    )


def write_recommender(
    folder: str | Path,
    scorer: Scorer | None,
    provenance: Provenance,
    *,
    histories: Histories,
    fallback: np.ndarray,
    overwrite: bool = False,
) -> Path:
    """Write a bundle that answers with lists to `folder`.

    Parameters
    ----------
    scorer : the fitted model's ``scorer()``
    histories : of the users known at the cutoff, as the data set names them; they are served from these
    fallback : ``(n_items,)`` popularity, for users whom the model cannot score
    overwrite : replace a bundle in the folder

    Raises
    ------
    ExportError
        There is no scorer, or the folder exists.
    """
    popular = histories.catalogue.item_ids[np.argsort(-fallback, kind="stable")[:2]]
    parts: dict[str, Mapping[str, np.ndarray]] = {
        CATALOGUE: histories.catalogue.to_arrays(),
        FALLBACK: {"scores": np.asarray(fallback, dtype=np.float32)},
        **_content(scorer, histories.catalogue),
    }

    def state(names: CustomerNames) -> dict[str, Mapping[str, np.ndarray]]:
        return {HISTORIES: histories_of_state(histories, names).to_arrays()}

    counts = {
        "n_items": histories.n_items,
        "n_known_users": histories.n_users,
        "n_events": histories.n_events,
    }
    request = {"history": popular.tolist(), "k": 5}
    return _write(folder, scorer, provenance, parts, state, counts, request, overwrite)


def write_estimator(
    folder: str | Path,
    scorer: RowScorer | None,
    provenance: Provenance,
    *,
    customers: Examples,
    base: float,
    overwrite: bool = False,
) -> Path:
    """Write a bundle that answers with numbers to `folder`; `base` is the population's mean outcome.

    Where that is unknown (NaN) the mean of the predictions is used.

    `customers` are the features of the customers known at the cutoff, one row each;
    see `write_recommender` for the rest.
    """
    columns = scorer.columns if scorer is not None else ()
    table = {c: exportable_column(customers.column(c)) for c in columns}
    if scorer is not None and not np.isfinite(base):
        base = float(np.mean(scorer.predict(table)))
    texts = [c for c, values in table.items() if values.dtype.kind == "U"]

    def state(names: CustomerNames) -> dict[str, Mapping[str, np.ndarray]]:
        return {CUSTOMERS: rows_of_state(names.of_data(customers.user_ids), table)}

    parts = {
        FALLBACK: {"base": np.array(float(base)), "texts": np.array(texts, dtype=str)},
    }
    counts = {"n_known_users": len(customers), "n_features": len(columns)}
    request = {"features": {c: _typical(v) for c, v in table.items()}}
    return _write(folder, scorer, provenance, parts, state, counts, request, overwrite)


def _content(scorer: Scorer | None, catalogue: Catalogue) -> dict[str, Mapping[str, np.ndarray]]:
    """The content of items, for those that the model knows nothing about; empty if it reads content."""
    from growthlab.features.term_content import TermContent

    if isinstance(scorer, (ContentProfile, DenseContentProfile)):
        return {}
    try:
        vectors, source = TermContent().vectors(catalogue)
    except DataError:  # the catalogue has no content
        return {}
    return {CONTENT: ContentProfile(vectors, source=source).to_arrays()}


def histories_of_state(histories: Histories, names: CustomerNames) -> Histories:
    """The data set's histories under the state's names and sorted by them."""
    stored = names.of_data(histories.user_ids)
    order = np.argsort(stored)
    return replace(histories.select(order), user_ids=stored[order])


def rows_of_state(names: np.ndarray, table: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The features of customers with the state's names, sorted by them."""
    order = np.argsort(names)
    return {"user_ids": names[order], **{FEATURE + c: v[order] for c, v in table.items()}}


def exportable_column(column: Any) -> np.ndarray:
    """A column as an array without objects: float64, or str with an empty text for missing values."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return column.astype("object").where(column.notna(), "").to_numpy(dtype=str)


def _typical(values: np.ndarray) -> float | str:
    """A typical value, for the example request: the median or the most frequent text."""
    if values.dtype.kind == "U":
        distinct, counts = np.unique(values, return_counts=True)
        return str(distinct[counts.argmax()]) if len(distinct) else ""
    known = values[np.isfinite(values)]
    return round(float(np.median(known)), 6) if len(known) else 0.0


def _write(
    folder: str | Path,
    scorer: Savable | None,
    provenance: Provenance,
    parts: Mapping[str, Mapping[str, np.ndarray]],
    state: Any,
    counts: Mapping[str, int],
    request: Mapping[str, Any],
    overwrite: bool,
) -> Path:
    """Write all parts, read them back, and replace `folder` in one step."""
    folder = Path(folder)
    if scorer is None:
        raise ExportError(
            f"{provenance.model} cannot be exported: it has no scorer; export another model, "
            "or give this one a scorer()"
        )
    if folder.exists() and not overwrite:
        raise ExportError(f"{folder} exists already: name another folder, or set overwrite=true")
    if folder.exists() and not (folder / MANIFEST).is_file():
        raise ExportError(f"{folder} is no bundle and is not overwritten: name another folder")
    key = find_or_create_key()
    names = CustomerNames.for_data(key, provenance.data, provenance.user_ids)
    with atomic_folder(folder) as new:
        arrays = {MODEL: scorer.to_arrays(), **parts, **state(names)}
        for name, content in arrays.items():
            save_arrays(new / name, content)
        for name, blob in scorer.to_files().items():
            (new / name).write_bytes(blob)
        (new / EXAMPLE).write_text(json.dumps(request, indent=2, ensure_ascii=False))
        manifest = Manifest(
            **{f.name: getattr(provenance, f.name) for f in fields(Provenance)},
            kind=scorer.kind,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            namespace=names.namespace,
            key_fingerprint=key.fingerprint,
            versions=_versions(scorer),
            counts=counts,
            files={},
        )
        (new / "model_card.md").write_text(model_card(manifest), encoding="utf-8")
        replace(manifest, files=checksums_of(new)).write(new)
        sign(new)
        write_reference(Bundle.load(new))
    log.debug("bundle of %s (%s) in %s", provenance.model, provenance.task, folder)
    return folder


def _versions(scorer: Savable) -> dict[str, str]:
    """The versions of Python and of the packages that serve this scorer."""
    suffixes = {Path(name).suffix for name in scorer.to_files()}
    unused = {"onnxruntime": ".onnx" not in suffixes, "lightgbm": ".txt" not in suffixes}
    needed = [p for p in ("growthlab", *SERVING_PACKAGES) if not unused.get(p, False)]
    versions = {"python": ".".join(map(str, sys.version_info[:3]))}
    return versions | {p: importlib.metadata.version(p) for p in needed}
