"""The reference of a bundle: inputs and answers at export, with which monitoring compares the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from growthlab.bundle.bundle_files import read_arrays
from growthlab.core.array_schema import ArraySchema, Schema, check_arrays
from growthlab.core.errors import BundleError

REFERENCE = "reference.npz"
K = 10  # places of each list that are kept
MOST_NAMES = 30  # categories of a text feature with a bin of their own
FEWEST_CUSTOMERS = 10  # of such a category: rarer ones are not named
SCORE, FEATURE = "score", "feature."
MISSING = "(missing)"  # the last bin
KNOWN = "known"  # served from what is stored about a customer


@dataclass(frozen=True)
class Bins:
    """How many values of the reference lie in each bin.

    Numbers: between the deciles of the reference, a border belonging to the bin below it; fewer bins
    where deciles coincide. Texts: one bin for each category in `cuts`, then one for all other texts.
    The last bin of both holds missing values: NaN, None, an empty text.
    """

    cuts: np.ndarray  # inner borders, or categories, sorted
    counts: np.ndarray  # (n_bins,) int64

    @classmethod
    def of(cls, values: np.ndarray) -> Self:
        """The bins of an array of numbers or texts, with its values counted."""
        if values.dtype.kind == "U":
            names, counts = np.unique(values[values != ""], return_counts=True)
            kept = np.argsort(-counts, kind="stable")[:MOST_NAMES]
            cuts = np.sort(names[kept[counts[kept] >= FEWEST_CUSTOMERS]])
        else:
            known = values[np.isfinite(values)].astype(float)
            deciles = np.quantile(known, np.arange(1, 10) / 10) if len(known) else np.zeros(0)
            cuts = np.unique(deciles)
        empty = cls(cuts, np.zeros(0, dtype=np.int64))
        return replace(empty, counts=empty.tally(values.tolist()))

    @property
    def labels(self) -> list[str]:
        """A name for each bin."""
        if self.cuts.dtype.kind == "U":
            return [*self.cuts.tolist(), "(other)", MISSING]
        cuts = [f"{c:.4g}" for c in self.cuts]
        if not cuts:
            return ["any", MISSING]
        between = [f"{low} .. {high}" for low, high in pairwise(cuts)]
        return [f"<= {cuts[0]}", *between, f"> {cuts[-1]}", MISSING]

    def tally(self, values: Sequence[Any]) -> np.ndarray:
        """How many of these values lie in each bin, ``(n_bins,)``; see `places`."""
        return np.bincount(self.places(values), minlength=len(self.cuts) + 2)

    def places(self, values: Sequence[Any]) -> np.ndarray:
        """The bin of each of these values, ``(n,)``; a text among numbers counts as missing."""
        if self.cuts.dtype.kind == "U":
            texts = np.array(["" if v is None else str(v) for v in values], dtype=str)
            nearest = np.minimum(np.searchsorted(self.cuts, texts), max(len(self.cuts) - 1, 0))
            known = self.cuts[nearest] == texts if len(self.cuts) else np.zeros(len(texts), bool)
            places = np.where(known, nearest, len(self.cuts))
            places[texts == ""] = len(self.cuts) + 1
        else:
            numbers = np.array([_number(v) for v in values], dtype=float)
            places = np.searchsorted(self.cuts, numbers)
            places[np.isnan(numbers)] = len(self.cuts) + 1
        return places


@dataclass(frozen=True)
class Reference:
    """Inputs and answers of a bundle at its export; see `export.write_reference`.

    `bins` are named ``score`` (of the first place, or the number) and ``feature.<name>``; `served`
    counts how the reference's answers were served. `item_counts` are events of the stored histories,
    one number an item of the catalogue; `listed` are lists as item codes, ``(n_lists, K)``, with
    -1 behind the end of a shorter one.
    """

    schema: ClassVar[Schema] = {
        "item_counts": ArraySchema(dtypes=("int64",), shape=("n_items",), low=0),
        "listed": ArraySchema(dtypes=("int32",), shape=("n_lists", K), low=-1, below="n_items"),
        "served": ArraySchema(dtypes=("text",), shape=("n_served",)),
        "served_counts": ArraySchema(dtypes=("int64",), shape=("n_served",), low=0),
        "cuts/*": ArraySchema(dtypes=("float64", "text"), shape=("",), order="increasing"),
        "counts/*": ArraySchema(dtypes=("int64",), shape=("",), low=0),
    }

    bins: Mapping[str, Bins]
    served: Mapping[str, int]
    item_counts: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    listed: np.ndarray = field(default_factory=lambda: np.zeros((0, K), dtype=np.int32))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Every field as arrays that need no pickle."""
        arrays = {"item_counts": self.item_counts, "listed": self.listed}
        arrays["served"] = np.array(list(self.served), dtype=str)
        arrays["served_counts"] = np.array(list(self.served.values()), dtype=np.int64)
        for name, bins in self.bins.items():
            arrays |= {f"cuts/{name}": bins.cuts, f"counts/{name}": bins.counts}
        return arrays

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The reference of the bundle in `folder`; None where it was exported without one.

        Raises
        ------
        BundleError
            The file is damaged.
        """
        path = folder / REFERENCE
        if not path.is_file():
            return None
        arrays = read_arrays(path)
        check_arrays(cls.schema, arrays, {}, str(path))
        names = [n.removeprefix("cuts/") for n in arrays if n.startswith("cuts/")]
        n_bins = {n: len(arrays.get(f"counts/{n}", ())) for n in names}
        if any(n_bins[n] != len(arrays[f"cuts/{n}"]) + 2 for n in names):
            raise BundleError(f"{path} has bins whose counts are missing; export the model again")
        bins = {n: Bins(arrays[f"cuts/{n}"], arrays[f"counts/{n}"]) for n in names}
        counts = arrays["served_counts"].tolist()
        served = dict(zip(arrays["served"].tolist(), counts, strict=True))
        return cls(bins, served, arrays["item_counts"], arrays["listed"])


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (bool, int, float)) else np.nan
