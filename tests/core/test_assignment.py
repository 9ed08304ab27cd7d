"""The keyed assignment of customers to arms."""

from __future__ import annotations

import hashlib
import hmac

import numpy as np
import pytest

from growthlab.core.assignment import arms_of_buckets, bucket_counts, buckets
from growthlab.core.errors import ConfigError
from growthlab.core.pseudonyms import PseudonymKey, hmac_hex

KEY = PseudonymKey(b"a secret of at least thirty-two bytes")
CUSTOMERS = [f"u{i}" for i in range(20_000)]


def test_the_hash_is_the_golden_hmac() -> None:
    message = b"The quick brown fox jumps over the lazy dog"
    assert hmac_hex(b"key", message).startswith("f7bc83f430538424b13298e6aa6fb143")


def test_a_bucket_is_the_hmac_of_the_customer_under_the_experiments_salt() -> None:
    salt = hmac.digest(KEY.secret, b"growthlab experiment\0checkout", hashlib.sha256)
    expected = int.from_bytes(hmac.digest(salt, b"u7", hashlib.sha256), "big") % 10_000
    assert buckets(KEY, "checkout", ["u7"]).tolist() == [expected]


def test_a_customer_stays_in_the_arm_whoever_else_is_assigned() -> None:
    everybody = buckets(KEY, "checkout", CUSTOMERS)
    assert buckets(KEY, "checkout", CUSTOMERS[::-1]).tolist() == everybody[::-1].tolist()


def test_shares_are_kept() -> None:
    arms = arms_of_buckets(buckets(KEY, "checkout", CUSTOMERS), {"control": 0.9, "new": 0.1})
    # the standard deviation of a share of 10 % of 20,000 is 0.2 %
    assert (arms == "new").mean() == pytest.approx(0.1, abs=0.008)


@pytest.mark.parametrize("other", ["search", "checkout 2"])
def test_experiments_are_independent(other: str) -> None:
    one, two = (buckets(KEY, name, CUSTOMERS) < 5000 for name in ("checkout", other))
    # a correlation of 20,000 independent pairs has the standard deviation 0.007
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.03


def test_another_key_gives_other_buckets() -> None:
    other = PseudonymKey(b"another secret of thirty-two bytes or more")
    same = buckets(KEY, "checkout", CUSTOMERS) == buckets(other, "checkout", CUSTOMERS)
    assert same.mean() < 0.001


def test_each_bucket_has_one_arm() -> None:
    shares = {"a": 0.25, "b": 0.25, "c": 0.5}
    arms = arms_of_buckets(np.arange(10_000), shares)
    assert [(arms == arm).sum() for arm in shares] == bucket_counts(shares) == [2500, 2500, 5000]


@pytest.mark.parametrize(
    ("shares", "line"),
    [
        ({"a": 1.0}, "two arms or more"),
        ({"a": 0.5, "b": 0.4}, "add up to 0.9, not to 1"),
        ({"a": 0.99999, "b": 0.00001}, r"arms\.a=0.99999 must be a share above 0 in steps"),
        ({"a": 1.5, "b": -0.5}, r"arms\.a=1.5 must be a share"),
        ({"a": "half", "b": 0.5}, r"arms\.a=half must be a share"),
    ],
)
def test_shares_that_are_none_are_refused(shares: dict[str, float], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        bucket_counts(shares)
