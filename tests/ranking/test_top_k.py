"""Exact lists: the best first, ties by the seeded key, nothing that must not be listed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from growthlab.ranking.ties import TieBreak
from growthlab.ranking.top_k import top_k

# Few distinct scores, so that most borders are tied; 0.1 + 0.2 and 0.3 are equal as float32 only.
TIED_SCORES = st.sampled_from([-np.inf, -1.0, 0.0, 0.1 + 0.2, 0.3, 2.0])


def ties_for(n_users: int, n_items: int, seed: int = 0) -> TieBreak:
    users, items = (
        np.array([f"{kind}{i}" for i in range(n)]) for kind, n in (("u", n_users), ("i", n_items))
    )
    return TieBreak.of(users, items, seed)


def slow_top_k(scores: np.ndarray, k: int, ties: TieBreak) -> list[list[int]]:
    """Sort everything by score and key."""
    lists = []
    for user, row in enumerate(scores.astype(np.float32)):
        codes = [i for i in range(len(row)) if row[i] > -np.inf]
        key = {i: int(ties.keys(np.array([user]), np.array([i]))[0]) for i in codes}
        best = sorted(codes, key=lambda i: (-row[i], key[i]))[:k]
        lists.append(best + [-1] * (k - len(best)))
    return lists


@settings(max_examples=150, deadline=None)
@given(
    scores=hnp.arrays(
        float, st.tuples(st.integers(1, 5), st.integers(1, 12)), elements=TIED_SCORES
    ),
    k=st.integers(1, 14),
    seed=st.integers(0, 3),
)
def test_top_k_is_the_head_of_a_full_sort(scores, k, seed):
    ties = ties_for(*scores.shape, seed=seed)
    items, values = top_k(scores, k, ties)
    assert items.tolist() == slow_top_k(scores, k, ties)
    listed = items >= 0
    expected = np.take_along_axis(scores.astype(np.float32), np.maximum(items, 0), 1)
    assert (values[listed] == expected[listed]).all()
    assert (values[~listed] == -np.inf).all()


def test_renaming_codes_changes_no_list():
    random = np.random.default_rng(0)
    ids, scores = (
        np.array([f"i{i}" for i in range(60)]),
        random.integers(0, 3, (40, 60)).astype(float),
    )
    users = np.array([f"u{u}" for u in range(40)])
    items, _ = top_k(scores, 7, TieBreak.of(users, ids, seed=5))
    codes, rows = random.permutation(60), random.permutation(40)
    ties = TieBreak.of(users[rows], ids[codes], seed=5)
    permuted, _ = top_k(scores[rows][:, codes], 7, ties)
    assert (ids[codes][permuted] == ids[items][rows]).all()


def test_a_constant_score_lists_every_item_equally_often():
    # 3,000 users, 10 of 40 items each: 750 a count, sd sqrt(3000 * 1/4 * 3/4) = 23.7; 5 sd = 119.
    items, _ = top_k(np.zeros((3000, 40)), 10, ties_for(3000, 40))
    counts = np.bincount(items.ravel(), minlength=40)
    assert np.abs(counts - 750).max() < 119


def test_another_seed_breaks_ties_in_another_way():
    one, _ = top_k(np.zeros((5, 50)), 5, ties_for(5, 50, seed=0))
    other, _ = top_k(np.zeros((5, 50)), 5, ties_for(5, 50, seed=1))
    assert (one != other).any()


def test_a_list_longer_than_the_candidates_ends_in_minus_one():
    items, scores = top_k(np.array([[1.0, -np.inf, 2.0]]), 5, ties_for(1, 3))
    assert items.tolist() == [[2, 0, -1, -1, -1]]
    assert scores[0, 2:].tolist() == [-np.inf] * 3


def test_a_user_for_whom_nothing_may_be_listed_has_an_empty_list():
    items, _ = top_k(np.full((2, 6), -np.inf), 3, ties_for(2, 6))
    assert (items == -1).all()


def test_no_users_give_no_lists():
    assert top_k(np.zeros((0, 4)), 3, ties_for(0, 4))[0].shape == (0, 3)


def test_a_list_of_no_length_is_refused():
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        top_k(np.zeros((1, 3)), 0, ties_for(1, 3))


@pytest.mark.parametrize("tied", [0.0, 0.5, 0.9, 0.999])
def test_long_rows_are_ranked_as_by_sorting_however_many_scores_are_equal(tied: float) -> None:
    rng = np.random.default_rng(0)
    scores = rng.random((4, 900), dtype=np.float32)
    scores[rng.random(scores.shape) < tied] = 0.0
    scores[0, 100:800] = -np.inf
    scores[1] = np.sort(scores[1])  # a block of neighbours holds all the best
    ties = ties_for(*scores.shape)
    for k in (1, 10, 60, 400):
        assert top_k(scores, k, ties)[0].tolist() == slow_top_k(scores, k, ties)
