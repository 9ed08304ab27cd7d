"""Places in lists: shared by equal scores, lost by nobody, and fused by weight."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from growthlab.core.errors import BundleError
from growthlab.core.histories import Catalogue, Histories
from growthlab.scorers.blend_scorer import BlendScorer
from growthlab.scorers.fusion import (
    HybridMembers,
    fuse_scores,
    ranks_of,
    reciprocal_ranks,
    round_off_noise,
    short_lists,
)
from growthlab.scorers.popularity_scorer import PopularityScorer

INF = np.inf


def row(*scores: float) -> np.ndarray:
    return np.array([scores], dtype=np.float32)


def test_the_best_score_has_the_first_place_and_equal_ones_share_theirs() -> None:
    # 5 is first; both 3 share (2 + 3) / 2
    np.testing.assert_array_equal(ranks_of(row(3, 5, 3, 1)), row(2.5, 1, 2.5, 4))


def test_an_item_that_cannot_be_scored_has_no_place_and_a_user_neither() -> None:
    scores = np.array([[1, -INF, 2], [np.nan] * 3], dtype=np.float32)
    np.testing.assert_array_equal(ranks_of(scores), [[2, INF, 1], [np.nan] * 3])


@given(st.lists(st.lists(st.integers(-3, 3), min_size=5, max_size=5), min_size=1, max_size=6))
def test_places_are_those_of_scipy(rows: list[list[int]]) -> None:
    scores = np.array(rows, dtype=np.float32)
    np.testing.assert_array_equal(ranks_of(scores), rankdata(-scores, axis=1))


def test_no_users_and_no_items_have_no_places() -> None:
    assert ranks_of(np.zeros((0, 3), dtype=np.float32)).shape == (0, 3)
    assert ranks_of(np.zeros((2, 0), dtype=np.float32)).shape == (2, 0)


def test_sums_in_another_order_are_rounded_to_the_same_number() -> None:
    terms = np.random.default_rng(0).random((2000, 9)).astype(np.float32)
    forth, back = terms.cumsum(axis=1)[:, -1], terms[:, ::-1].cumsum(axis=1)[:, -1]
    assert (forth != back).mean() > 0.3
    assert (round_off_noise(forth) != round_off_noise(back)).mean() < 0.05
    np.testing.assert_allclose(round_off_noise(forth), forth, rtol=2e-6)


def test_settling_keeps_what_is_no_number() -> None:
    scores = row(-INF, np.nan, 0, 1, -2.5)
    np.testing.assert_array_equal(round_off_noise(scores), scores)


def test_a_reciprocal_place_is_one_over_constant_plus_place() -> None:
    np.testing.assert_allclose(reciprocal_ranks(row(1, 2, INF)), [[1 / 61, 1 / 62, 0]])


def test_a_member_that_cannot_score_a_user_leaves_its_weight_to_the_others() -> None:
    values = np.array([[[1.0, 0.0]], [[np.nan, np.nan]], [[0.0, 4.0]]])
    # weights 1 and 3 of those who can: (1 * 1 + 3 * 0) / 4, (1 * 0 + 3 * 4) / 4
    np.testing.assert_allclose(fuse_scores(values, np.array([0.1, 0.6, 0.3])), [[0.25, 3.0]])


def test_only_members_without_weight_count_alike() -> None:
    values = np.array([[[np.nan]], [[2.0]], [[4.0]]])
    np.testing.assert_allclose(fuse_scores(values, np.array([1.0, 0.0, 0.0])), [[3.0]])


def test_a_user_whom_no_member_scores_is_not_scored() -> None:
    assert np.isnan(fuse_scores(np.full((2, 1, 3), np.nan), np.array([0.5, 0.5]))).all()


def test_short_lists_are_united_and_a_tied_group_is_in_or_out_as_a_whole() -> None:
    ranks = np.stack([ranks_of(row(9, 8, 1, 1, 1)), ranks_of(row(0, 0, 0, 0, 5))])
    # first member: places 1, 2, 4, 4, 4; second: 3.5 for the first four, then 1
    listed = short_lists(ranks, np.array([2]))
    np.testing.assert_array_equal(listed, [[True, True, False, False, True]])


def blend(*members: list[float], weights: list[float]) -> BlendScorer:
    made = {f"m{i}": PopularityScorer(np.array(m, dtype=np.float32)) for i, m in enumerate(members)}
    return BlendScorer(HybridMembers(made), np.array(weights))


def asked() -> Histories:
    catalogue = Catalogue(np.array(["a", "b", "c"]))
    return Histories.from_lists(catalogue, [["a"]])


def test_a_blend_adds_weighted_reciprocal_places() -> None:
    scores = blend([3, 2, 1], [1, 2, 3], weights=[0.75, 0.25]).score(asked())
    # a: 0.75 / 61 + 0.25 / 63; b: 1 / 62; c: 0.75 / 63 + 0.25 / 61
    expected = [0.75 / 61 + 0.25 / 63, 1 / 62, 0.75 / 63 + 0.25 / 61]
    np.testing.assert_allclose(scores, [expected], rtol=1e-6)


def test_an_item_that_only_some_members_score_is_scored_and_one_of_none_is_not() -> None:
    scores = blend([3, -INF, -INF], [1, 2, -INF], weights=[0.5, 0.5]).score(asked())
    assert np.isfinite(scores[0, :2]).all()
    assert scores[0, 2] == -INF


def test_members_are_saved_under_their_names() -> None:
    made = blend([3, 2, 1], [1, 2, 3], weights=[0.5, 0.5])
    arrays = made.to_arrays()
    assert str(arrays["m1/kind"]) == "popularity"
    assert BlendScorer.load(arrays, {}).members.names == ("m0", "m1")


def test_a_member_of_an_unknown_kind_is_not_loaded() -> None:
    arrays = blend([3, 2, 1], [1, 2, 3], weights=[0.5, 0.5]).to_arrays()
    with pytest.raises(BundleError, match=r"no scorer of the kind 'os\.system'"):
        BlendScorer.load({**arrays, "m1/kind": np.array("os.system")}, {})
