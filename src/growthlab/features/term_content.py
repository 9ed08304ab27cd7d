"""Item content as vectors of weighted terms: words, categories and attributes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np
from scipy.sparse import csr_matrix, diags

from growthlab.core.errors import ConfigError, LackingDataError, near_matches
from growthlab.core.histories import Catalogue
from growthlab.core.seeding import random_stream

# each Han character is a token: Chinese has no spaces between words
WORD = re.compile(r"[一-鿿]|[^\W_一-鿿]+")
CATEGORY_LEVEL = re.compile(r"[>/|]")
FIELDS = ("text", "category", "attributes")
WEIGHTINGS = ("tf_idf", "bm25")


class ContentVectors(NamedTuple):
    """A vector an item, ``(n_items, n)``, of length 1, or 0 for an item without content.

    `source` describes how they were made.
    """

    matrix: csr_matrix | np.ndarray  # float32
    source: str


@runtime_checkable
class ItemContent(Protocol):
    """Turns the content of items into vectors.

    `lasting` says whether an item has the same vector in every catalogue.
    """

    lasting: ClassVar[bool]

    def vectors(self, catalogue: Catalogue) -> ContentVectors:
        """The vectors of a catalogue; nothing but the catalogue is learned from."""
        ...


@dataclass(frozen=True, kw_only=True)
class TermContent:
    """Vectors of terms: words of the text, levels of the category path, ``name=value`` attributes.

    The same word in two fields is two terms. In an item, a term of frequency tf weighs field weight
    x idf x

    - ``tf_idf``: ``1 + ln tf``, ``idf = ln((1 + N) / (1 + df)) + 1`` (Salton & Buckley, IP&M 1988);
    - ``bm25``: ``tf (k1 + 1) / (tf + k1 (1 - b + b len / mean len))``,
      ``idf = ln(1 + (N - df + 0.5) / (df + 0.5))``, each field with its own length (Robertson,
      Zaragoza & Taylor, "Simple BM25 Extension to Multiple Weighted Fields", CIKM 2004),

    over the N items of the catalogue; the mean length is over items that have the field. With
    `components` the vectors are those of a truncated singular value decomposition (Deerwester et
    al., "Indexing by Latent Semantic Analysis", JASIS 1990), fewer if the catalogue has fewer
    dimensions; without, there is one dimension a term.
    """

    lasting: ClassVar[bool] = False

    weighting: str = "tf_idf"
    text_weight: float = 1.0
    category_weight: float = 1.0
    attributes_weight: float = 1.0
    k1: float = 1.2
    b: float = 0.75
    components: int | None = None

    def __post_init__(self) -> None:
        if self.weighting not in WEIGHTINGS:
            hint = near_matches(self.weighting, WEIGHTINGS)
            raise ConfigError(f"model.content.weighting={self.weighting}: {hint}")
        for name in ("k1", *(f"{field}_weight" for field in FIELDS)):
            if not 0 <= getattr(self, name) < np.inf:
                raise ConfigError(
                    f"model.content.{name} must be 0 or more, got {getattr(self, name)}"
                )
        if not 0 <= self.b <= 1:
            raise ConfigError(f"model.content.b must lie in 0 ... 1, got {self.b}")
        if self.components is not None and self.components < 1:
            raise ConfigError(
                f"model.content.components must be at least 1, or null for terms, got {self.components}"
            )

    def vectors(self, catalogue: Catalogue) -> ContentVectors:
        """Sparse vectors of terms, or dense ones of components.

        Raises
        ------
        DataError
            No item has content in a field with a positive weight.
        """
        weights = {name: getattr(self, f"{name}_weight") for name in FIELDS}
        used = {name: weight for name, weight in weights.items() if weight > 0}
        blocks = [
            weight * self._weighted(_counts(catalogue, name))
            for name, weight in used.items()
            if getattr(catalogue, name) is not None
        ]
        terms = _joined(blocks, len(catalogue))
        if not terms.nnz:
            raise LackingDataError(
                f"content needs items with {', '.join(used) or 'a field with a weight'}, this "
                f"catalogue of {len(catalogue)} items has none: give the data an items table"
            )
        source = f"{self.weighting} of {', '.join(used)}"
        unit_terms = unit_rows(terms)
        if self.components is None:
            return ContentVectors(unit_terms, source)
        reduced = unit_rows(principal_components(unit_terms, self.components))
        return ContentVectors(reduced, f"{source}, {reduced.shape[1]} components")

    def _weighted(self, counts: csr_matrix) -> csr_matrix:
        """Frequencies (items x terms of one field) to weights."""
        n_items = counts.shape[0]
        df = np.bincount(counts.indices, minlength=counts.shape[1])
        out = counts.astype(np.float64)
        if self.weighting == "tf_idf":
            out.data = 1 + np.log(out.data)
            return out @ diags(np.log((1 + n_items) / (1 + df)) + 1)
        length = np.asarray(counts.sum(axis=1)).ravel()
        relative = length / (length[length > 0].mean() if length.any() else 1)
        of_item = np.repeat(self.k1 * (1 - self.b + self.b * relative), np.diff(out.indptr))
        out.data = out.data * (self.k1 + 1) / (out.data + of_item)
        return out @ diags(np.log1p((n_items - df + 0.5) / (df + 0.5)))


def principal_components(matrix: csr_matrix, components: int) -> np.ndarray:
    """The rows projected on the largest singular vectors, ``(n, components)``, float32.

    Exact and deterministic; fewer columns if the matrix has fewer dimensions.
    """
    from scipy.sparse.linalg import svds

    smaller = min(matrix.shape)
    if components >= smaller:
        left, values, _ = np.linalg.svd(matrix.toarray(), full_matrices=False)
        return (left * values).astype(np.float32)
    start = random_stream(0, "svd").normal(size=smaller)
    left, values, _ = svds(matrix.astype(np.float64), k=components, v0=start)
    return (left * values)[:, ::-1].astype(np.float32)  # the largest first


def unit_rows(matrix: csr_matrix | np.ndarray) -> csr_matrix | np.ndarray:
    """Rows scaled to length 1, float32; rows of zeros are kept."""
    if isinstance(matrix, np.ndarray):
        lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
        return (matrix / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return (diags(1 / np.where(lengths > 0, lengths, 1)) @ matrix).tocsr().astype(np.float32)


def _counts(catalogue: Catalogue, field: str) -> csr_matrix:
    """The frequency of each term of a field in each item."""
    vocabulary: dict[str, int] = {}
    rows, columns, values = [], [], []
    for item, text in enumerate(getattr(catalogue, field)):
        for token, tf in Counter(_tokens(field, str(text))).items():
            rows.append(item)
            columns.append(vocabulary.setdefault(token, len(vocabulary)))
            values.append(tf)
    shape = (len(catalogue), len(vocabulary))
    return csr_matrix((np.asarray(values, dtype=np.float64), (rows, columns)), shape=shape)


def _tokens(field: str, text: str) -> Iterator[str]:
    if field == "text":
        yield from WORD.findall(text.lower())
        return
    parts = CATEGORY_LEVEL.split(text) if field == "category" else text.split("|")
    yield from (part.strip().lower() for part in parts if part.strip())


def _joined(blocks: Sequence[csr_matrix], n_items: int) -> csr_matrix:
    from scipy.sparse import hstack

    return hstack(blocks, format="csr") if blocks else csr_matrix((n_items, 0))
