"""Batches of table rows: each row once an epoch, in random order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from growthlab.core.seeding import random_stream


class TableBatches:
    """At most `batch` rows of all `arrays` at a time, each batch an instance of `batch_type`.

    `batch_type` is a named tuple's class with one field an array. A single row left at the end of an
    epoch joins the batch before it.
    """

    def __init__(
        self, batch_type: Callable[..., Any], arrays: Sequence[np.ndarray], *, batch: int, seed: int
    ) -> None:
        self.batch_type = batch_type
        self.tensors = [torch.tensor(a) for a in arrays]
        self.batch, self.seed = batch, seed

    def __call__(self, epoch: int) -> Sequence[Any]:
        """The batches of an epoch."""
        n_rows = len(self.tensors[0])
        order = torch.tensor(random_stream(self.seed, "rows", epoch).permutation(n_rows))
        n_batches = max(1, -(-(n_rows - 1) // self.batch))
        parts = [order[i * self.batch : (i + 1) * self.batch] for i in range(n_batches)]
        parts[-1] = order[(n_batches - 1) * self.batch :]
        return [self.batch_type(*(t[rows] for t in self.tensors)) for rows in parts if len(rows)]
