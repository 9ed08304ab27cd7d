"""Random numbers of a market: counters, so that each customer has streams of their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from growthlab.core.seeding import hash_ids, mix_hashes, random_stream


@dataclass(frozen=True)
class Draws:
    """Streams named by a purpose and a time, with a row for each customer.

    A number is a hash of the seed, the purpose, the time, the row and its place in the row: it does not
    depend on the number of customers, nor on what was drawn for anybody else.
    """

    seed: int
    n_customers: int

    def uniform(
        self, purpose: str, time: int = 0, width: int = 1, rows: np.ndarray | None = None
    ) -> np.ndarray:
        """Numbers in [0, 1), shape ``(n_rows, width)``, float64; `rows` None: one of each customer."""
        rows = np.arange(self.n_customers) if rows is None else rows
        stream = hash_ids([f"market\x1f{self.seed}\x1f{purpose}\x1f{time}"])
        keys = mix_hashes(stream, rows.astype(np.uint64) + np.uint64(1))
        mixed = mix_hashes(keys[:, None], np.arange(1, width + 1, dtype=np.uint64))
        numbers: np.ndarray = (mixed >> np.uint64(11)) * 2.0**-53
        return numbers

    def world(self, purpose: str, time: int = 0) -> np.random.Generator:
        """A stream of the world, which all customers share."""
        return random_stream(self.seed, "market", purpose, time)
