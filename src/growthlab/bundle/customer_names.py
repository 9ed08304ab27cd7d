"""How customers are named: in requests, in the data that a model was made from, and in a bundle's state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from growthlab.core.pseudonyms import NAMES_IN_DATA, PSEUDONYM, PseudonymKey


@dataclass(frozen=True)
class CustomerNames:
    """The names of one bundle's customers.

    Requests hold raw ids and a state holds pseudonyms, of `key` within `namespace`. The data set that the
    model was made from named its customers by their raw ids, or by the same pseudonyms (`user_ids`).
    """

    key: PseudonymKey
    namespace: str
    user_ids: str  # one of `NAMES_OF_CUSTOMERS`

    @classmethod
    def for_data(cls, key: PseudonymKey, data: str, user_ids: str) -> CustomerNames:
        """The names for a bundle of a data set: its own pseudonyms where it has such, else new ones."""
        namespace = NAMES_IN_DATA if user_ids == PSEUDONYM else f"{NAMES_IN_DATA}/{data}"
        return cls(key, namespace, user_ids)

    @property
    def are_those_of_the_data(self) -> bool:
        """Whether the state names customers as the data set does."""
        return self.user_ids == PSEUDONYM

    def of_raw(self, raw_ids: Iterable[str]) -> np.ndarray:
        """The state's names of raw ids, ``(n,)``."""
        return self.key.pseudonyms(self.namespace, raw_ids)

    def of_data(self, user_ids: Iterable[str]) -> np.ndarray:
        """The state's names of the data set's customers, ``(n,)``."""
        if self.are_those_of_the_data:
            return np.array([str(i) for i in user_ids], dtype=str)
        return self.of_raw(user_ids)
