"""Categories and attributes of the catalogue's items as codes, for metrics of content."""

from __future__ import annotations

import numpy as np

from growthlab.core.histories import Catalogue


def content_codes(catalogue: Catalogue) -> np.ndarray:
    """Codes of each item's category and attributes, ``(n_items, most)``, int32, -1 beyond the end.

    A code is one category or one ``name=value`` pair; there are no columns without content.
    """
    words: list[list[str]] = [[] for _ in range(len(catalogue))]
    if catalogue.category is not None:
        for own, category in zip(words, catalogue.category.tolist(), strict=True):
            own.extend([category] if category else [])
    if catalogue.attributes is not None:
        for own, attributes in zip(words, catalogue.attributes.tolist(), strict=True):
            own.extend(dict.fromkeys(pair for pair in attributes.split("|") if pair))
    lengths = np.array([len(own) for own in words], dtype=np.int64)
    codes = np.full((len(words), lengths.max(initial=0)), -1, dtype=np.int32)
    if lengths.any():
        flat = np.unique([word for own in words for word in own], return_inverse=True)[1]
        codes[np.arange(codes.shape[1]) < lengths[:, None]] = flat
    return codes


def category_codes(catalogue: Catalogue) -> np.ndarray:
    """Each item's category, as `content_codes`; its attributes if no item has a category."""
    codes = catalogue.category_codes
    return codes[:, None] if (codes >= 0).any() else content_codes(catalogue)
