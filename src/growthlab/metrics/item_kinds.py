"""What is known of the catalogue's items, as small sets of codes: for metrics of content."""

from __future__ import annotations

import numpy as np

from growthlab.core.histories import Catalogue


def contents_of(catalogue: Catalogue) -> np.ndarray:
    """Each item's category and attributes as codes, ``(n_items, most)``, int32, -1 beyond the end.

    A code stands for one category or one ``name=value``; no column where nothing is known.
    """
    words = [[] for _ in range(len(catalogue))]  # type: list[list[str]]
    if catalogue.category is not None:
        for own, category in zip(words, catalogue.category.tolist(), strict=True):
            own.extend([category] if category else [])
    if catalogue.attributes is not None:
        for own, attributes in zip(words, catalogue.attributes.tolist(), strict=True):
            own.extend(dict.fromkeys(pair for pair in attributes.split("|") if pair))
    return _coded(words)


def categories_of(catalogue: Catalogue) -> np.ndarray:
    """Each item's category as `contents_of` has it; its attributes where no item has a category."""
    if not len(catalogue.category_names):
        return contents_of(catalogue)
    return catalogue.category_codes[:, None]


def _coded(words: list[list[str]]) -> np.ndarray:
    """Codes of words, counted in the order of the words."""
    lengths = np.array([len(own) for own in words], dtype=np.int64)
    coded = np.full((len(words), lengths.max(initial=0)), -1, dtype=np.int32)
    if lengths.any():
        flat = np.unique([word for own in words for word in own], return_inverse=True)[1]
        coded[np.arange(coded.shape[1]) < lengths[:, None]] = flat
    return coded
