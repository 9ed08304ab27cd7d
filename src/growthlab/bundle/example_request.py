"""The request that was exported with a bundle, which it must be able to answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from growthlab.bundle.answers import PredictRequest, RecommendRequest
from growthlab.bundle.bundle_files import read_json
from growthlab.bundle.manifest_schema import (
    Check,
    list_of,
    mapping_of,
    number,
    optional,
    text,
    whole,
    wrong_value,
)
from growthlab.core.errors import BundleError

LARGEST_EXAMPLE = 2**20  # bytes
LARGEST_K, LONGEST_HISTORY = 1_000, 10_000  # as in requests to the service
LIST_VALUES: Mapping[str, Check] = {
    "history": list_of(text, LONGEST_HISTORY),
    "k": whole(1, LARGEST_K),
}
NUMBER_VALUES: Mapping[str, Check] = {
    "features": mapping_of(optional(lambda value: text(value) or number(value)))
}


def read_example(
    path: Path, columns: Collection[str] | None
) -> tuple[RecommendRequest | PredictRequest, int]:
    """The request, and the length of its list (0: a number).

    `columns` are the features that the model reads; None where it answers with lists.

    Raises
    ------
    BundleError
        It is no such request, or names a feature that the model does not have.
    """
    example: Any = read_json(path, LARGEST_EXAMPLE)
    checks = LIST_VALUES if columns is None else NUMBER_VALUES
    wrong = wrong_value(example, checks, checks) if isinstance(example, dict) else "it has no names"
    if not wrong and columns is not None:
        unknown = sorted(set(example["features"]) - set(columns))
        wrong = f"the model has no feature {unknown[0][:60]!r}" if unknown else ""
    if wrong:
        raise BundleError(f"{path} is no request: {wrong}; export the model again")
    if columns is None:
        return RecommendRequest(history=example["history"]), example["k"]
    return PredictRequest(features=example["features"]), 0
