"""A batch divided among the processes of one training."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, runtime_checkable

from growthlab.networks.dropout import RowPart


class Share(NamedTuple):
    """What one process has of a batch.

    `weight` is the share of the batch's mean loss that the mean loss of `batch` is; `rows` are its rows
    among all of the batch's. None: nothing is divided.
    """

    batch: Any
    weight: float = 1.0
    rows: RowPart | None = None


@runtime_checkable
class DividesRows(Protocol):
    """A batch whose rows can be divided among processes."""

    def share(self, rank: int, n_ranks: int) -> Share:
        """The share of process `rank` (from 0); the weights of all shares sum to 1."""
        ...


def borders(n_rows: int, n_ranks: int) -> list[int]:
    """Where the shares of the processes begin, and the end: as even as can be."""
    return [n_rows * rank // n_ranks for rank in range(n_ranks + 1)]


def rows_of_share(batch: Any, place: slice, n_rows: int, weight: float) -> Share:
    """The share that has the rows `place` of all `n_rows`."""
    return Share(batch, weight, RowPart(place, n_rows))


def whole_for_each(batch: Any, n_rows: int, n_ranks: int) -> Share:
    """A batch with too few rows to divide: each process computes all of it, and counts for its part."""
    return Share(batch, 1 / n_ranks, RowPart(slice(0, n_rows), n_rows))
