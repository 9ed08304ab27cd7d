"""Ranking in blocks: exact median ranks, hidden seen items, and the same result for all block sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from growthlab.core.errors import ConfigError
from growthlab.core.histories import Catalogue, Histories
from growthlab.evaluation.block_ranking import plan_blocks, rank_items, target_ranks, unseen_targets

N_USERS, N_ITEMS = 30, 25
TIED_SCORES = st.sampled_from([-np.inf, -1.0, 0.0, 0.3, 2.0])


def plain_histories(n_users=N_USERS, n_items=N_ITEMS, n_events=80, seed=0) -> Histories:
    random = np.random.default_rng(seed)
    return Histories.from_events(
        Catalogue(np.array([f"i{i:02d}" for i in range(n_items)])),
        np.array([f"u{u:02d}" for u in range(n_users)]),
        random.integers(n_users, size=n_events),
        random.integers(n_items, size=n_events),
        random.integers(9, size=n_events),
    )


def truth_of(histories: Histories, seed=1) -> tuple[np.ndarray, np.ndarray]:
    """0 to 4 distinct items a user, some outside the catalogue (-1)."""
    random = np.random.default_rng(seed)
    counts = random.integers(0, 5, histories.n_users)
    items = [random.permutation(histories.n_items)[:n] for n in counts]
    flat = np.concatenate([np.zeros(0, dtype=int), *items]).astype(np.int32)
    flat[random.random(len(flat)) < 0.1] = -1
    return np.concatenate([[0], np.cumsum(counts)]), flat


def ranked(score, histories, *, filter_seen="none", seed=0, memory_mb=512.0, k=6):
    offsets, items = truth_of(histories)
    return rank_items(
        score,
        histories,
        offsets,
        items,
        k=k,
        filter_seen=filter_seen,
        fallback_scores=np.arange(histories.n_items),
        seed=seed,
        memory_mb=memory_mb,
        popularity=np.ones(histories.n_items),
        n_past_users=10,
    )


def few_levels(histories: Histories) -> np.ndarray:
    """Scores of three levels that depend on the user alone, so that blocks cannot matter."""
    rows = [
        np.random.default_rng(int(u[1:])).integers(0, 3, histories.n_items)
        for u in histories.user_ids
    ]
    return np.array(rows, dtype=np.float32).reshape(histories.n_users, histories.n_items)


@settings(max_examples=120, deadline=None)
@given(
    scores=hnp.arrays(
        np.float32, st.tuples(st.integers(1, 4), st.integers(1, 9)), elements=TIED_SCORES
    ),
    data=st.data(),
)
def test_target_ranks_are_those_of_counting_one_by_one(scores, data):
    n_users, n_items = scores.shape
    targets = st.tuples(st.integers(0, n_users - 1), st.integers(-1, n_items - 1))
    pairs = data.draw(st.lists(targets, min_size=1, max_size=8))
    rows, items = np.array(pairs).T
    ranks, tied = target_ranks(scores, rows, items)
    for row, item, rank, is_tied in zip(rows, items, ranks, tied, strict=True):
        own = scores[row, item]
        if item < 0 or own == -np.inf:
            assert rank == np.inf
            assert not is_tied
            continue
        greater = sum(s > own for s in scores[row])
        equal = sum(s == own for s in scores[row])
        assert rank == greater + (equal - 1) / 2 + 1
        assert is_tied == (equal > 1)


def test_golden_median_rank_of_four_tied_at_the_top():
    ranks, tied = target_ranks(np.array([[5.0, 5, 5, 5, 1]]), np.array([0]), np.array([2]))
    assert ranks.tolist() == [2.5]
    assert tied.tolist() == [True]


@pytest.mark.parametrize("memory_mb", [0.002, 0.01])
def test_small_blocks_give_the_same_lists_and_ranks(memory_mb):
    histories = plain_histories()
    whole = ranked(few_levels, histories, filter_seen="interacted")
    blocks = ranked(few_levels, histories, filter_seen="interacted", memory_mb=memory_mb)
    for name in ("items", "scores", "truth_ranks", "truth_tied", "fallback"):
        assert (getattr(whole, name) == getattr(blocks, name)).all(), name


def test_one_user_alone_gets_the_same_list_as_among_all():
    histories = plain_histories()
    among_all = ranked(few_levels, histories, filter_seen="purchased")
    for user in (0, 17, 29):
        alone = ranked(few_levels, histories.select(np.array([user])), filter_seen="purchased")
        assert (alone.items[0] == among_all.items[user]).all()


def test_seen_items_are_neither_listed_nor_competing():
    histories = plain_histories(n_users=1, n_items=3, n_events=0)
    seen = Histories.from_events(
        histories.catalogue, np.array(["u00"]), *np.zeros((3, 1), dtype=int)
    )
    truth = np.array([0, 1]), np.array([1], dtype=np.int32)
    common = {
        "k": 3,
        "fallback_scores": np.zeros(3),
        "seed": 0,
        "popularity": np.ones(3),
        "n_past_users": 1,
    }
    scores = np.array([[9.0, 5.0, 1.0]], dtype=np.float32)
    scores.flags.writeable = False  # such an array is copied, a model's own may be changed
    lists = rank_items(lambda h: scores, seen, *truth, filter_seen="purchased", **common)
    assert lists.items.tolist() == [[1, 2, -1]]
    assert lists.truth_ranks.tolist() == [1.0]
    open_lists = rank_items(lambda h: scores, seen, *truth, filter_seen="none", **common)
    assert open_lists.items.tolist() == [[0, 1, 2]]
    assert open_lists.truth_ranks.tolist() == [2.0]


def test_a_user_whom_the_model_cannot_score_gets_the_popular_items():
    def half(histories):
        scores = few_levels(histories)
        scores[histories.user_ids < "u15"] = np.nan
        return scores

    lists = ranked(half, plain_histories(), k=3)
    assert lists.fallback.tolist() == [True] * 15 + [False] * 15
    assert (lists.items[:15] == [24, 23, 22]).all()


def test_a_constant_model_hits_as_often_as_chance():
    # one target of 40, k = 10: a quarter of 4,000, sd sqrt(4000 / 4 * 3 / 4) = 27.4; 5 sd = 137
    histories = plain_histories(n_users=4000, n_items=40, n_events=0)
    targets = np.random.default_rng(0).integers(0, 40, 4000).astype(np.int32)
    lists = rank_items(
        lambda h: np.zeros((h.n_users, 40), dtype=np.float32),
        histories,
        np.arange(4001),
        targets,
        k=10,
        filter_seen="none",
        fallback_scores=np.zeros(40),
        seed=0,
        popularity=np.ones(40),
        n_past_users=1,
    )
    assert abs(lists.hits.any(axis=1).sum() - 1000) < 137
    assert (lists.truth_ranks == 20.5).all()
    assert lists.truth_tied.all()


def test_scores_of_another_shape_fail_the_run():
    with pytest.raises(
        ValueError, match=r"model output: scores of shape \(30, 2\), expected \(30, 25\)"
    ):
        ranked(lambda h: np.zeros((h.n_users, 2)), plain_histories())


def test_targets_that_the_filter_hides_are_dropped_from_the_truth():
    histories = plain_histories()
    offsets, items = truth_of(histories)
    kept = unseen_targets(histories, offsets, items, "interacted")
    owned = histories.matrix().toarray() > 0
    rows = np.repeat(np.arange(N_USERS), np.diff(offsets))
    expected = [item < 0 or not owned[row, item] for row, item in zip(rows, items, strict=True)]
    assert kept.tolist() == expected
    assert 0 < (~kept).sum() < len(kept)
    assert unseen_targets(histories, offsets, items, "none").all()


def test_a_limit_too_small_for_one_user_is_refused_before_any_work():
    # 1,000,000 items at 16 bytes are 15.26 MB, 3 events at 128 bytes are next to nothing
    histories = plain_histories(n_users=1, n_items=1_000_000, n_events=3)
    message = r"memory_mb=8 has no room for one user: 1,000,000 items and 3 events need 15\.3 MB"
    with pytest.raises(ConfigError, match=message):
        plan_blocks(histories, 8, in_tiles=False)
    plan = plan_blocks(histories, 8, in_tiles=True)
    assert plan.tiles[0] == slice(0, 2048)  # 8 MB / (4 x 64 x 16 bytes)
    assert plan.tiles[-1].stop == 1_000_000


def test_every_user_and_item_is_in_one_block_within_the_limit():
    histories = plain_histories(n_users=3000, n_items=40, n_events=9000)
    plan = plan_blocks(histories, 0.1, in_tiles=False)
    assert [row for rows in plan.rows for row in range(rows.start, rows.stop)] == list(range(3000))
    assert plan.tiles == [slice(0, 40)]
    needed = histories.lengths * 128 + 40 * 16
    assert max(needed[rows].sum() for rows in plan.rows) <= 0.1 * 2**20
