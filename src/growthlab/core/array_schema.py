"""What the arrays of a file must be: type, shape in named sizes, range, order, finite or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from growthlab.core.errors import BundleError

FLOAT = ("float32", "float64")
INDEX = ("int32", "int64")
NUMBER = (*FLOAT, *INDEX)
BLOCK = 2**18  # entries looked at together: they fit the cache, so that a check reads memory once
LARGEST = 1e15  # of a number, unless its schema says otherwise: sums of products stay finite
LONGEST_TEXT = 65_536  # characters
MOST_NAMED = 2**27  # of a size that no array has to back, such as the columns of a sparse matrix
LAST_CHARACTER, SURROGATES = 0x10FFFF, (0xD800, 0xDFFF)
SHOWN = 40  # characters of a value in a message

Order = Literal["", "ascending", "increasing", "offsets"]


@dataclass(frozen=True, kw_only=True)
class ArraySchema:
    """What one array must be.

    Parameters
    ----------
    dtypes : possible types by numpy's names; ``text`` for texts of any length
    shape : a size for each dimension: a number, a name or a sum such as ``n_items+1``. A name stands
        for the same size in all arrays that are checked together, an empty one for any. None: any up
        to two dimensions
    low, high : bounds of the values, inclusive; without them numbers lie within 1e15 of 0
    below : a size by name that all values are below, as codes are
    order : ``ascending`` and ``increasing`` (strictly, so distinct) are those of a list; ``offsets``
        go from 0 to the size that `ends_at` names and never fall
    nan, infinite : whether not a number, and plus or minus infinity, are possible
    values : the possible texts; empty for any
    sizes : names of sizes that the array's own values are
    nonempty : whether it has an entry
    optional : whether it may be missing, as in bundles of earlier releases
    """

    dtypes: Sequence[str]
    shape: tuple[int | str, ...] | None = ()
    low: float | None = None
    high: float | None = None
    below: str | None = None
    order: Order = ""
    ends_at: str = ""
    nan: bool = False
    infinite: bool = False
    values: Sequence[str] = ()
    sizes: tuple[str, ...] = ()
    nonempty: bool = False
    optional: bool = False

    def check(self, name: str, array: np.ndarray, sizes: dict[str, int]) -> None:
        """Raise a `BundleError` where `array` is something else; new sizes are added to `sizes`."""
        dtype = "text" if array.dtype.kind == "U" else array.dtype.name
        if dtype not in self.dtypes or not array.dtype.isnative:
            raise BundleError(f"{name} must be of {' or '.join(self.dtypes)}, got {array.dtype}")
        self._check_shape(name, array, sizes)
        if self.nonempty and not array.size:
            raise BundleError(f"{name} must not be empty")
        if dtype == "text":
            self._check_texts(name, array)
        elif dtype == "bool":
            if array.size and np.ascontiguousarray(array).view(np.uint8).max() > 1:
                raise BundleError(f"{name} must be true or false, byte by byte")
        else:
            self._check_numbers(name, array, sizes)
        if self.order:
            self._check_order(name, array, sizes)
        if self.sizes:
            self._bind_values(name, array, sizes)

    def _check_shape(self, name: str, array: np.ndarray, sizes: dict[str, int]) -> None:
        if self.shape is None:
            if array.ndim > 2:
                raise BundleError(f"{name} must have two dimensions at most, got {array.ndim}")
            return
        if array.ndim != len(self.shape):
            raise BundleError(
                f"{name} must have the shape {_shape_of(self.shape)}, got {array.shape}"
            )
        for size, length in zip(self.shape, array.shape, strict=True):
            if not _fits(size, length, sizes):
                raise BundleError(
                    f"{name} must have the shape {_shape_of(self.shape, sizes)}, got {array.shape}"
                )

    def _check_texts(self, name: str, array: np.ndarray) -> None:
        if array.dtype.itemsize > 4 * LONGEST_TEXT:
            raise BundleError(f"{name} must hold texts of {LONGEST_TEXT} characters at most")
        if not array.size or not array.dtype.itemsize:
            return
        for block in _blocks(np.ascontiguousarray(array).reshape(-1).view(np.uint32)):
            last = block.max()
            first, end = SURROGATES
            if last >= first and (
                last > LAST_CHARACTER or ((block >= first) & (block <= end)).any()
            ):
                raise BundleError(f"{name} holds what is no text")
        if self.values:
            for value in array.ravel().tolist():
                if value not in self.values:
                    possible = ", ".join(self.values)
                    raise BundleError(f"{name} is one of {possible}, not {_shown(value)}")

    def _check_numbers(self, name: str, array: np.ndarray, sizes: Mapping[str, int]) -> None:
        low, high = self.low, self.high
        if self.below is not None:
            high = sizes[self.below] - 1
        if array.dtype.kind == "f":
            low, high = (-LARGEST if low is None else low), (LARGEST if high is None else high)
        if low is None and high is None:
            return
        least, most = np.fmin if self.nan else np.minimum, np.fmax if self.nan else np.maximum
        for block in _blocks(array.reshape(-1)):
            if self.infinite:
                block = block[~np.isinf(block)]
            if not block.size:
                continue
            first, last = least.reduce(block), most.reduce(block)
            if self.nan and first != first:  # nothing but NaN
                continue
            inside = (low is None or first >= low) and (high is None or last <= high)
            if not inside:
                raise BundleError(self._out_of_range(name, low, high, first, last))

    def _out_of_range(
        self, name: str, low: float | None, high: float | None, first: float, last: float
    ) -> str:
        """The message for values from `first` to `last` that are not all within the bounds."""
        if first != first:
            return f"{name} must be finite, got NaN"
        if low is not None and high is not None:
            bounds = f"lie in {low:g} ... {high:g}"
        else:
            bounds = f"be {low:g} or more" if low is not None else f"be {high:g} or less"
        worst = first if low is not None and first < low else last
        return f"{name} must {bounds}, got {worst:g}"

    def _check_order(self, name: str, array: np.ndarray, sizes: Mapping[str, int]) -> None:
        rises = np.greater if self.order == "increasing" else np.greater_equal
        for start in range(0, len(array) - 1, BLOCK):
            block = array[start : start + BLOCK + 1]
            if not rises(block[1:], block[:-1]).all():
                what = "sorted and distinct" if self.order == "increasing" else "sorted"
                raise BundleError(f"{name} must be {what}")
        if self.order == "offsets":
            end = sizes[self.ends_at]
            if not len(array) or array[0] != 0 or array[-1] != end:
                ends = f"{array[0]} to {array[-1]}" if len(array) else "nothing"
                raise BundleError(f"{name} must go from 0 to {end} ({self.ends_at}), got {ends}")

    def _bind_values(self, name: str, array: np.ndarray, sizes: dict[str, int]) -> None:
        for size, value in zip(self.sizes, array.reshape(-1).tolist(), strict=False):
            if not 0 <= value <= MOST_NAMED or sizes.setdefault(size, int(value)) != value:
                raise BundleError(f"{name} says {value} of {size}, expected {sizes.get(size, 0)}")


Schema = Mapping[str, ArraySchema]
"""Array name -> what it must be, in the order of the check; ``levels_*`` is for all names that begin so."""


def check_arrays(
    schema: Schema, arrays: Mapping[str, np.ndarray], sizes: dict[str, int], owner: str
) -> None:
    """Check that `arrays` are those of the schema and nothing else; `sizes` gets those that are new.

    Raises
    ------
    BundleError
        An array is missing, does not belong to `owner`, or is not as its schema says.
    """
    patterns = {name.removesuffix("*"): each for name, each in schema.items() if name[-1:] == "*"}
    for name, each in schema.items():
        if name in arrays:
            each.check(name, arrays[name], sizes)
        elif not each.optional and name[-1:] != "*":
            raise BundleError(f"{owner} needs {name!r}, which is missing: export the model again")
    for name in arrays:
        if name in schema:
            continue
        fitting = [each for prefix, each in patterns.items() if name.startswith(prefix)]
        if not fitting:
            raise BundleError(f"{owner} has no {_shown(name)}")
        fitting[0].check(name, arrays[name], sizes)


def _fits(size: int | str, length: int, sizes: dict[str, int]) -> bool:
    """Whether a dimension is as long as `size`; a name that is not known yet is bound to it."""
    if not size:
        return True
    parts = str(size).split("+")
    names = [part for part in parts if not part.isdigit()]
    unknown = [name for name in names if name not in sizes]
    rest = sum(int(part) for part in parts if part.isdigit())
    rest += sum(sizes[name] for name in names if name in sizes)
    if not unknown:
        return length == rest
    if len(unknown) > 1 or length < rest:
        return False
    sizes[unknown[0]] = length - rest
    return True


def _shape_of(shape: tuple[int | str, ...], sizes: Mapping[str, int] | None = None) -> str:
    """The shape with names, and with the numbers that these stand for."""

    def shown(size: int | str) -> str:
        names = [part for part in str(size).split("+") if sizes and part in sizes]
        known = ", ".join(f"{name} = {sizes[name]}" for name in names if sizes)
        return f"{size} ({known})" if known else str(size)

    return f"({', '.join(map(shown, shape))})"


def _blocks(flat: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(flat), BLOCK):
        yield flat[start : start + BLOCK]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
