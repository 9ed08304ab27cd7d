"""An array that grows in a temporary file, for what is too long for the memory."""

from __future__ import annotations

import mmap
import tempfile

import numpy as np

_BLOCK = 1_000_000


class GrowingArray:
    """Values appended to a temporary file, which only this process can open and which goes with it."""

    def __init__(self, dtype: np.dtype) -> None:
        self._dtype = dtype
        self._file = tempfile.TemporaryFile(prefix="growthlab-")  # noqa: SIM115 closed by `mapped`
        self._length = 0

    def append(self, values: np.ndarray) -> None:
        """Write values behind those that are there; longer texts than before are kept whole."""
        if values.dtype.kind == "U" and values.dtype.itemsize > self._dtype.itemsize:
            self._widen(values.dtype)
        np.ascontiguousarray(values, dtype=self._dtype).tofile(self._file)
        self._length += len(values)

    def mapped(self) -> np.ndarray:
        """All values, mapped into memory to be read: pages come on use, see `release_pages`."""
        with self._file:  # the mapping keeps what it needs
            if not self._length:
                return np.zeros(0, dtype=self._dtype)
            self._file.flush()
            return np.memmap(self._file, self._dtype, mode="r", shape=(self._length,))

    def _widen(self, dtype: np.dtype) -> None:
        """Write the texts so far once more, each in more room."""
        narrow = self.mapped()
        wide = GrowingArray(dtype)
        for start in range(0, len(narrow), _BLOCK):
            wide.append(narrow[start : start + _BLOCK].astype(dtype))
        self.__dict__ = wide.__dict__


def release_pages(*arrays: np.ndarray) -> None:
    """Let the pages of mapped arrays go that were read: they come again on use.

    Else the memory of a process that reads a mapped array here and there grows to its whole size.
    Arrays in memory, and slices of mapped ones, stay as they are.
    """
    for array in arrays:
        mapping = getattr(array, "_mmap", None) if isinstance(array, np.memmap) else None
        if mapping is not None and not array.flags.writeable and hasattr(mmap, "MADV_DONTNEED"):
            mapping.madvise(mmap.MADV_DONTNEED)
