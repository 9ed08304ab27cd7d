from __future__ import annotations

import numpy as np
import pytest

from growthlab.core.histories import Catalogue, Histories
from growthlab.core.seeding import hash_ids
from growthlab.scorers import random_order
from growthlab.scorers.random_order import RandomOrder

NAMES = [f"i{i}" for i in range(50)]


def users(ids: list[str]) -> Histories:
    nothing = np.zeros(0, dtype=int)
    return Histories.from_events(
        Catalogue(np.array(sorted(NAMES))), np.array(ids), nothing, nothing, nothing
    )


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = RandomOrder(0, hash_ids(NAMES))
    whole = scorer.score(users(["a", "b", "c"]))
    monkeypatch.setattr(random_order, "BLOCK_ENTRIES", 60)
    np.testing.assert_array_equal(scorer.score(users(["a", "b", "c"])), whole)


def test_a_user_s_list_hangs_on_the_raw_id_and_the_seed_alone() -> None:
    scorer, other = RandomOrder(0, hash_ids(NAMES)), RandomOrder(1, hash_ids(NAMES))
    rows = scorer.score(users(["a", "b", "", ""]))
    np.testing.assert_array_equal(scorer.score(users(["b"]))[0], rows[1])
    np.testing.assert_array_equal(rows[2], rows[3])  # nobody known: one list for all
    assert not np.array_equal(rows[0], rows[1])
    assert not np.array_equal(other.score(users(["a"]))[0], rows[0])


def test_scores_hardly_ever_tie() -> None:
    scores = RandomOrder(0, hash_ids(NAMES)).score(users([f"u{u}" for u in range(100)]))
    # 100 lists of 50: about 100 * 50 ** 2 / 2 / 2 ** 24 = 0.007 ties are expected
    assert all(len(set(row)) == 50 for row in scores.tolist())
