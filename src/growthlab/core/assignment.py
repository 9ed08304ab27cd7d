"""Customers to the arms of an experiment by a keyed hash: stable, and independent across experiments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from growthlab.core.errors import ConfigError, quoted
from growthlab.core.pseudonyms import PseudonymKey, hmac_hex

BUCKETS = 10_000  # the finest share is one of them
NAMESPACE = "growthlab experiment"


def buckets(key: PseudonymKey, experiment: str, customers: Iterable[str]) -> np.ndarray:
    """The bucket of each customer in an experiment, ``(n,)``, 0 to 9,999.

    HMAC-SHA256 of the customer under a salt of the experiment, modulo 10,000. The salt is a keyed
    hash of the experiment's name, so that nobody without the key can choose an arm, and the buckets
    of one experiment say nothing about those of another.
    """
    salt = bytes.fromhex(hmac_hex(key.secret, f"{NAMESPACE}\0{experiment}".encode()))
    values = [int(hmac_hex(salt, str(customer).encode()), 16) % BUCKETS for customer in customers]
    return np.array(values, dtype=np.int64)


def arms_of_buckets(bucket: np.ndarray, shares: Mapping[str, float]) -> np.ndarray:
    """The arm of each bucket, ``(n,)`` str: the arms follow each other in the order of `shares`."""
    ends = np.cumsum(bucket_counts(shares))
    return np.array(list(shares), dtype=object)[np.searchsorted(ends, bucket, side="right")]


def bucket_counts(shares: Mapping[str, float]) -> Sequence[int]:
    """How many buckets each arm has.

    Raises
    ------
    ConfigError
        Fewer than two arms, or shares that are not above 0 in steps of 0.0001 or do not add up to 1.
    """
    if len(shares) < 2:
        raise ConfigError(f"arms={quoted(str(dict(shares)))}: an experiment has two arms or more")
    counts = []
    for arm, share in shares.items():
        is_number = isinstance(share, (int, float)) and not isinstance(share, bool)
        count = round(share * BUCKETS) if is_number and 0 < share < 1 else 0
        if not count or abs(count - share * BUCKETS) > 1e-6:
            raise ConfigError(
                f"arms.{quoted(arm)}={quoted(str(share))} must be a share above 0 in steps of {1 / BUCKETS:g}"
            )
        counts.append(count)
    if sum(counts) != BUCKETS:
        raise ConfigError(f"the shares of the arms add up to {sum(counts) / BUCKETS:g}, not to 1")
    return counts
