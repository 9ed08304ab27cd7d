"""The approximate index of a bundle's item vectors: opened and searched by faiss where it is installed."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from growthlab.bundle.index_file import check_index_file
from growthlab.core.errors import BundleError

log = logging.getLogger(__name__)

INDEX = "items.faiss"


@dataclass(frozen=True)
class ItemIndex:
    """An inverted file over the item vectors: only the lists nearest to a user are searched."""

    index: Any

    def search(self, users: np.ndarray, n: int) -> np.ndarray:
        """At most `n` candidates a user, best first, ``(n_users, n)``; -1 where there are fewer."""
        _, codes = self.index.search(np.ascontiguousarray(users, dtype=np.float32), n)
        return np.asarray(codes)


def open_index(
    folder: Path, about: Mapping[str, Any], n_items: int, width: int, mapped: bool
) -> ItemIndex | None:
    """The bundle's index; None, with a warning, where its library is not installed.

    With `mapped` its vectors stay in the file; see `read_arrays`.

    Raises
    ------
    BundleError
        It is no index over `n_items` vectors of that width.
    """
    probes = about.get("probes")
    if type(probes) is not int or probes < 1:
        raise BundleError(f"{folder} says that {probes!r} lists of its index are searched")
    try:
        import faiss
    except ImportError:
        log.warning(
            "%s has an index of its items, but faiss is not installed: lists are exact and take "
            "longer; pip install 'growthlab[ann]'",
            folder,
        )
        return None
    size = check_index_file(folder / INDEX, n_items)
    if size.width != width or probes > size.n_lists:
        raise BundleError(
            f"{folder / INDEX} has {size.n_lists} lists of width {size.width}, of which {probes} "
            f"would be searched, and the vectors have the width {width}"
        )
    faiss.omp_set_num_threads(1)  # requests run side by side
    flags = faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY if mapped else 0
    index: Any = faiss.read_index(str(folder / INDEX), flags)
    index.nprobe = probes
    return ItemIndex(index)


def recall_of(about: Mapping[str, Any] | None) -> float:
    """The index's recall of the first ten items, by its entry in the manifest.

    1 without an index, since lists are exact then; NaN where it was not measured.
    """
    return 1.0 if about is None else float(about.get("recall_at_10", math.nan))
