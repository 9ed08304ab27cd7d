"""The file of an item index, checked before its library reads it: the library believes every number in it."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

from growthlab.bundle.bundle_files import open_file
from growthlab.core.array_schema import LARGEST
from growthlab.core.errors import BundleError

HEADER = struct.Struct("<iqqqBi")  # width, vectors, two unused, trained, metric
SIZE = struct.Struct("<Q")
INNER_PRODUCT = 0
FLOAT_BYTES, CODE_BYTES = 4, 8


class _Reader:
    """The bytes of a file from front to back."""

    def __init__(self, content: np.ndarray) -> None:
        self.content, self.place = content, 0

    def take(self, n: int) -> np.ndarray:
        if not 0 <= n <= len(self.content) - self.place:
            raise BundleError(f"it ends {n - len(self.content) + self.place:,} bytes too early")
        self.place += n
        return self.content[self.place - n : self.place]

    def size(self) -> int:
        (value,) = SIZE.unpack(self.take(SIZE.size).tobytes())
        return int(value)

    def expect(self, word: bytes) -> None:
        if self.take(len(word)).tobytes() != word:
            raise BundleError(f"it is no inverted file of exact vectors: no {word!r} in its place")

    def header(self) -> tuple[int, int]:
        """Width and number of vectors."""
        width, n, _, _, trained, metric = HEADER.unpack(self.take(HEADER.size).tobytes())
        if trained != 1 or metric != INNER_PRODUCT:
            raise BundleError("it is not trained, or compares by something else than a product")
        return int(width), int(n)


class IndexSize(NamedTuple):
    """What the head of the file says."""

    width: int
    n_vectors: int
    n_lists: int


def check_index_file(path: Path, n_items: int) -> IndexSize:
    """Check that the file is an inverted file (faiss: IVFFlat) over the vectors of all items.

    Every item is in exactly one list, and all vectors are finite.

    Raises
    ------
    BundleError
        It is something else, or ends too early or too late.
    """
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        content = np.memmap(file, dtype=np.uint8, mode="r") if size else np.zeros(0, dtype=np.uint8)
        try:
            return _check(_Reader(content.view(np.ndarray)), n_items)
        except BundleError as error:
            raise BundleError(f"{path} cannot be read: {error}; export it again") from error


def _check(reader: _Reader, n_items: int) -> IndexSize:
    reader.expect(b"IwFl")
    width, n_vectors = reader.header()
    n_lists = reader.size()
    reader.size()  # lists to search, which the manifest says instead
    if n_vectors != n_items or not 1 <= width <= 2**16 or not 1 <= n_lists <= max(n_items, 1):
        raise BundleError(
            f"it has {n_vectors:,} vectors in {n_lists:,} lists for {n_items:,} items"
        )
    reader.expect(b"IxFI")
    if reader.header() != (width, n_lists):
        raise BundleError("its centres have another width or number")
    if reader.size() != n_lists * width:
        raise BundleError("it has too many or too few centres")
    _require_finite(reader.take(n_lists * width * FLOAT_BYTES))
    reader.expect(b"\0" + SIZE.pack(0))  # no map from items to lists
    reader.expect(b"ilar" + SIZE.pack(n_lists) + SIZE.pack(width * FLOAT_BYTES))
    times_listed = np.zeros(n_items, dtype=np.int64)
    sizes = _list_sizes(reader, n_lists)
    n_listed = sum(sizes)
    for size in sizes:
        if not 0 <= size <= n_items:
            raise BundleError(f"a list has {size:,} of {n_items:,} items")
        _require_finite(reader.take(size * width * FLOAT_BYTES))
        codes = np.frombuffer(reader.take(size * CODE_BYTES).tobytes(), dtype="<i8")
        if size and not (codes.min() >= 0 and codes.max() < n_items):
            raise BundleError("a list has an item that is not in the catalogue")
        times_listed[codes] += 1
    once = n_listed == n_items and bool((times_listed == 1).all())
    if reader.place != len(reader.content) or not once:
        raise BundleError("not every item is in one list, or something follows the last list")
    return IndexSize(width, n_vectors, n_lists)


def _list_sizes(reader: _Reader, n_lists: int) -> list[int]:
    """The length of each list; a file with many empty ones has only the others, by number."""
    kind = reader.take(4).tobytes()
    n = reader.size()
    if n > 2 * n_lists or ((kind, n) != (b"full", n_lists) and (kind != b"sprs" or n % 2)):
        raise BundleError("the lengths of its lists cannot be read")
    numbers = np.frombuffer(reader.take(n * SIZE.size).tobytes(), dtype="<u8")
    if kind == b"full":
        return [int(size) for size in numbers]
    places = numbers[::2]
    if len(places) and (places[-1] >= n_lists or (np.diff(places.astype(object)) <= 0).any()):
        raise BundleError("its lists are not in their order")
    return [int(size) for size in numbers[1::2]]


def _require_finite(content: np.ndarray) -> None:
    values = np.frombuffer(content.tobytes(), dtype="<f4")  # aligned, so that it is read faster
    if len(values) and not (values.min() >= -LARGEST and values.max() <= LARGEST):
        raise BundleError("it has a vector that is not finite")
