"""What a training consists of, handed to other processes: large arrays as files that they share.

The objects go through a pipe that the two processes alone have, as the arguments of any process of
`multiprocessing` do; nobody else can write to it, and no file holds anything but plain arrays.
"""

from __future__ import annotations

from io import BytesIO
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

LARGE = 1_000_000  # bytes from which an array is worth a file


def packed(job: Any, folder: Path) -> bytes:
    """`job` as bytes for `unpacked`; arrays from a megabyte on are files in `folder`, which must stay."""
    stream = BytesIO()
    _Packer(stream, folder).dump(job)
    return stream.getvalue()


def unpacked(content: bytes) -> Any:
    """What `packed` was given; memory of its files is shared until a process writes to it."""
    return ForkingPickler.loads(content)


class _Packer(ForkingPickler):
    """Large arrays become files, tensors of any device arrays."""

    def __init__(self, stream: BytesIO, folder: Path) -> None:
        super().__init__(stream)
        self._folder, self._n_files = folder, 0

    def reducer_override(self, value: Any) -> Any:
        if type(value) is np.ndarray and value.nbytes >= LARGE and not value.dtype.hasobject:
            path = self._folder / f"array-{self._n_files}.npy"
            self._n_files += 1
            np.save(path, value, allow_pickle=False)
            return _mapped, (str(path),)
        if type(value) is nn.Parameter:
            return nn.Parameter, (value.detach(), value.requires_grad)
        if type(value) is Tensor and value.dtype != torch.bfloat16:
            return torch.from_numpy, (value.detach().cpu().numpy(),)
        return NotImplemented


def _mapped(path: str) -> np.ndarray:
    """The array in a file, read when it is needed; what is written to it stays in this process."""
    return np.asarray(np.load(path, mmap_mode="c", allow_pickle=False))
