"""Content-based recommendation: items that read like those of the history, new ones included."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.sparse import csr_matrix, diags

from growthlab.core.errors import ConfigError, DataError
from growthlab.core.histories import Catalogue, Histories
from growthlab.models.base import ScoredRecommender
from growthlab.scorers.content_profile import ContentProfile
from growthlab.scorers.history_weights import HistoryWeights
from growthlab.training.options import FitOptions

# a Han character is a token of its own: Chinese writes no spaces between words
WORD = re.compile(r"[一-鿿]|[^\W_一-鿿]+")
CATEGORY_LEVEL = re.compile(r"[>/|]")
FIELDS = ("text", "category", "attributes")


@dataclass(kw_only=True)
class Content(ScoredRecommender):
    """Cosine between a decayed user profile and items, on TF-IDF of their content.

    An item's tokens are the words of its text, the levels of its category path and its
    ``name=value`` attributes; the same word in two fields is two tokens. A token weighs ``field
    weight (1 + ln tf) (ln((1 + N) / (1 + df)) + 1)`` over the N items of the catalogue (Salton &
    Buckley, IP&M 1988), and each item's vector is brought to length 1. A user's profile is the sum
    of the vectors of the history's items, the older ones less by `step_decay` or `half_life_days`.
    """

    personalised: ClassVar[bool] = True

    text_weight: float = 1.0
    category_weight: float = 1.0
    attributes_weight: float = 1.0
    step_decay: float = 1.0
    half_life_days: float | None = None
    event_weights: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        for name in FIELDS:
            weight = getattr(self, f"{name}_weight")
            if not 0 <= weight < np.inf:
                raise ConfigError(f"{name}_weight must be 0 or more, got {weight}")
        self._history()

    def fit(self, past: Histories, options: FitOptions) -> Self:
        """Read the catalogue; DataError where it has no content in the fields that weigh."""
        history = self._history()
        history.require_times(past, "content")
        weights = {name: getattr(self, f"{name}_weight") for name in FIELDS}
        vectors = tf_idf(past.catalogue, {n: w for n, w in weights.items() if w > 0})
        if not vectors.nnz:
            raise DataError(
                f"content needs items with {', '.join(n for n in FIELDS if weights[n] > 0)}, this "
                f"catalogue of {len(past.catalogue)} items has none: give the data an items table"
            )
        self.scorer_ = ContentProfile(vectors, history)
        return self

    def _history(self) -> HistoryWeights:
        return HistoryWeights.of(self.event_weights, self.step_decay, self.half_life_days)


def tf_idf(catalogue: Catalogue, field_weights: Mapping[str, float]) -> csr_matrix:
    """Items x tokens, float32; rows of length 1, or 0 for an item without content."""
    vocabulary: dict[tuple[str, str], int] = {}
    rows, columns, values = [], [], []
    for name, weight in field_weights.items():
        texts = getattr(catalogue, name)
        for item, text in enumerate([] if texts is None else texts):
            for token, tf in Counter(_tokens(name, str(text))).items():
                rows.append(item)
                columns.append(vocabulary.setdefault((name, token), len(vocabulary)))
                values.append(weight * (1 + np.log(tf)))
    df = np.bincount(np.asarray(columns, dtype=np.int64), minlength=len(vocabulary))
    idf = np.log((1 + len(catalogue)) / (1 + df)) + 1
    shape = (len(catalogue), len(vocabulary))
    matrix = csr_matrix((values, (rows, columns)), shape=shape, dtype=np.float64) @ diags(idf)
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return (diags(1 / np.where(lengths > 0, lengths, 1)) @ matrix).tocsr().astype(np.float32)


def _tokens(field: str, text: str) -> Iterator[str]:
    if field == "text":
        yield from WORD.findall(text.lower())
        return
    parts = CATEGORY_LEVEL.split(text) if field == "category" else text.split("|")
    yield from (part.strip().lower() for part in parts if part.strip())
