"""Random streams and hashes are the same on every machine."""

from __future__ import annotations

import numpy as np

from growthlab.core.seeding import hash_ids, mix_hashes, random_stream


def test_hashes_of_ids_are_the_same_on_every_machine() -> None:
    # hashlib.blake2b(text, digest_size=8), its 8 bytes read little-endian
    expected = [13020603013274838756, 12322618392695174018, 11135694976992124792]
    assert hash_ids(["", "user 1", "Zoë"]).tolist() == expected
    assert hash_ids(np.array([12, 7])).tolist() == hash_ids(["12", "7"]).tolist()
    assert hash_ids([]).shape == (0,)


def test_a_mix_is_the_same_on_every_machine() -> None:
    left, right = np.array([1, 2], dtype=np.uint64), np.array([3, 4], dtype=np.uint64)
    mixed = mix_hashes(left[:, None], right[None, :])
    assert mixed.shape == (2, 2)
    assert len(np.unique(mixed)) == 4
    # splitmix64's finaliser of 1 ^ (3 * 0x9E3779B97F4A7C15 mod 2**64), step by step in Python
    z = 1 ^ (3 * 0x9E3779B97F4A7C15 % 2**64)
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    assert int(mixed[0, 0]) == z ^ (z >> 31)


def test_a_stream_is_its_own_and_stays_the_same() -> None:
    first = random_stream(0, "taste", 7).random(3)
    assert (random_stream(0, "taste", 7).random(3) == first).all()
    others = [
        random_stream(1, "taste", 7),
        random_stream(0, "taste", 8),
        random_stream(0, "taste7"),
        random_stream(0),
    ]
    assert all((other.random(3) != first).any() for other in others)


def test_names_are_not_run_together() -> None:
    assert random_stream(0, "ab", "c").random() != random_stream(0, "a", "bc").random()
