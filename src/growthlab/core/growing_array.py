"""An array that grows in a temporary file, for what is too long for the memory."""

from __future__ import annotations

import tempfile

import numpy as np


class GrowingArray:
    """Values appended to a temporary file, which only this process can open and which goes with it."""

    def __init__(self, dtype: np.dtype) -> None:
        self._dtype = dtype
        self._file = tempfile.TemporaryFile(prefix="growthlab-")  # noqa: SIM115 closed by `mapped`
        self._length = 0

    def append(self, values: np.ndarray) -> None:
        """Write values behind those that are there."""
        np.ascontiguousarray(values, dtype=self._dtype).tofile(self._file)
        self._length += len(values)

    def mapped(self) -> np.ndarray:
        """All values, mapped into memory: pages are read on use, and changes stay in this process."""
        if not self._length:
            return np.zeros(0, dtype=self._dtype)
        self._file.flush()
        shape = (self._length,)
        array = np.memmap(self._file, self._dtype, mode="c", shape=shape)
        self._file.close()  # the mapping keeps what it needs
        return array
