"""A large catalogue: blocks of items give the same lists, an index nearly the same and says so."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from growthlab.bundle import bundle_files, list_maker, nearest_items
from growthlab.bundle.answers import Recommendation, RecommendRequest
from growthlab.bundle.bundle import Bundle
from growthlab.bundle.item_index import recall_of
from growthlab.bundle.manifest import Manifest, Provenance
from growthlab.bundle.nearest_items import NearestItems, NearestQuery
from growthlab.core.histories import Catalogue, Histories
from growthlab.export.build_item_index import add_index
from growthlab.export.parity import parity_of, share_of_exact_lists
from growthlab.export.write_bundle import write_recommender
from growthlab.ranking.rules import Rules
from growthlab.ranking.ties import TieBreak
from growthlab.ranking.top_k import top_k
from growthlab.scorers.folded_factors import FoldedFactors
from growthlab.scorers.ridge import Ridge
from growthlab.scorers.user_factors import UserFactors

N_ITEMS, N_USERS = 3_000, 60


@pytest.fixture
def large(tmp_path: Path, provenance: Provenance) -> Path:
    """A bundle of factors over 3,000 items in 30 groups, 60 users of ten items each."""
    draws = np.random.default_rng(5)
    groups = np.arange(N_ITEMS) % 30
    factors = draws.normal(size=(30, 8))[groups] + 0.3 * draws.normal(size=(N_ITEMS, 8))
    ids = np.array([f"item-{i:05}" for i in range(N_ITEMS)])
    catalogue = Catalogue(ids, category=np.array([f"group {g}" for g in groups]))
    rows = np.repeat(np.arange(N_USERS), 10)
    bought = draws.integers(0, N_ITEMS // 30, len(rows)) * 30 + rows % 30
    users = np.array([f"user-{u}" for u in range(N_USERS)])
    past = Histories.from_events(catalogue, users, rows, bought, np.arange(len(rows)))
    scorer = FoldedFactors(factors.astype(np.float32), Ridge(l2=0.1, unseen=0.1))
    about = replace(provenance, filter_seen="purchased")
    popularity = np.bincount(past.items, minlength=N_ITEMS)
    return write_recommender(tmp_path / "large", scorer, about, histories=past, fallback=popularity)


REQUESTS = [
    *(RecommendRequest(f"user-{u}") for u in range(N_USERS)),
    RecommendRequest(history=["item-00007", "item-00037", "?"], exclude=["item-00067"]),
    RecommendRequest(basket=["item-00001", "item-00031"]),
    RecommendRequest("user-3", rules=Rules(categories=["group 4"])),
    RecommendRequest("user-3", rules=Rules(deny=["item-00003"], max_per_category=2)),
    RecommendRequest("stranger"),
    RecommendRequest(item="item-00007"),
]


def asked(folder: Path) -> list[Recommendation]:
    return Bundle.load(folder).recommend(REQUESTS, 10)


def assert_near(found: list[Recommendation], expected: list[Recommendation]) -> None:
    """The same but for the last bits of a score, which another order of adding changes."""
    for one, other in zip(found, expected, strict=True):
        assert [i.item for i in one.items] == [i.item for i in other.items]
        assert (one.served, one.n_unknown_items) == (other.served, other.n_unknown_items)
        assert one.before_rules == other.before_rules
        scores = [[i.score for i in a.items] for a in (one, other)]
        np.testing.assert_allclose(*np.array(scores, dtype=float), rtol=1e-4)


def test_blocks_of_items_give_the_lists_of_whole_rows(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = asked(large)
    monkeypatch.setattr(list_maker, "TILED_ABOVE", 100)
    monkeypatch.setattr(nearest_items, "TILE", 700)
    assert Bundle.load(large).list_maker._nearest_items is not None  # type: ignore[union-attr]
    assert_near(asked(large), expected)


def test_blocks_of_items_hold_no_more_than_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    widths = []

    def watched(scores: np.ndarray, k: int, ties: TieBreak) -> tuple[np.ndarray, np.ndarray]:
        widths.append(scores.shape)
        return top_k(scores, k, ties)

    monkeypatch.setattr(nearest_items, "TILE", 64)
    monkeypatch.setattr(nearest_items, "top_k", watched)
    vectors, hashes = np.ones((1000, 2), dtype=np.float32), np.arange(1000, dtype=np.uint64)
    none = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    users = np.ones((3, 2), dtype=np.float32)
    items, _ = NearestItems(vectors, hashes).lists(
        NearestQuery(users, hashes[:3], none, [None] * 3), 5
    )
    assert items.shape == (3, 5)
    assert {w for _, w in widths} == {64, 1000 % 64}


def test_an_index_finds_nearly_all_and_its_recall_is_in_the_manifest(large: Path) -> None:
    pytest.importorskip("faiss", reason="the index needs growthlab[ann]")
    expected = asked(large)
    assert add_index(Bundle.load(large), N_ITEMS) is None  # not above it
    about = add_index(Bundle.load(large), 1000)
    assert about is not None
    assert Manifest.read(large).index == about
    assert about["recall_at_10"] >= 0.95
    assert about["above"] == 1000
    answers = asked(large)
    same = [
        len({i.item for i in one.items} & {i.item for i in other.items})
        for one, other in zip(answers, expected, strict=True)
    ]
    assert sum(same) >= 0.9 * sum(len(a.items) for a in expected)
    assert [len(a.items) for a in answers] == [len(a.items) for a in expected]
    for one in answers[:N_USERS]:
        assert len({i.item for i in one.items}) == 10
    # a category is too small a part of the candidates: that list is exact
    assert [i.item for i in answers[-4].items] == [i.item for i in expected[-4].items]


class LastItems:
    """An index that finds the last items of the catalogue for every user."""

    def search(self, users: np.ndarray, n: int) -> np.ndarray:
        return np.tile(np.arange(N_ITEMS - n, N_ITEMS), (len(users), 1))


def test_parity_is_of_the_exact_lists_whatever_an_index_finds(large: Path) -> None:
    bundle = Bundle.load(large)
    users = [f"user-{u}" for u in range(N_USERS)]
    answers = bundle.recommend([RecommendRequest(user) for user in users], 10)
    evaluated = pd.DataFrame(
        [
            {"user_id": user, "rank": rank, "item_id": item.item, "score": item.score}
            for user, answer in zip(users, answers, strict=True)
            for rank, item in enumerate(answer.items, start=1)
        ]
    )
    maker = bundle.list_maker
    assert maker is not None
    indexed = replace(bundle, list_maker=replace(maker, index=LastItems()))
    (found,) = indexed.recommend([RecommendRequest("user-0")], 10)
    assert {i.item for i in found.items} != {i.item for i in answers[0].items}
    parity = parity_of(indexed, {"recommendations": evaluated})
    assert (parity.n_same, parity.n_compared) == (N_USERS, N_USERS)
    assert share_of_exact_lists(bundle, np.array(users)) == 1.0
    # what the index finds is ten of the last items, of which few are in the exact lists
    listed = [{i.item for i in a.items} for a in indexed.recommend(REQUESTS[:N_USERS], 10)]
    n_same = sum(
        len(one & {i.item for i in other.items}) for one, other in zip(listed, answers, strict=True)
    )
    assert share_of_exact_lists(indexed, np.array(users)) == n_same / (10 * N_USERS) < 0.1
    assert np.isnan(share_of_exact_lists(indexed, np.array([])))


def test_the_recall_of_a_manifest_is_one_without_an_index_and_not_known_unless_it_says() -> None:
    assert recall_of(None) == 1.0
    assert recall_of({"recall_at_10": 0.97}) == 0.97
    assert np.isnan(recall_of({"probes": 4}))


def test_where_the_library_is_not_installed_lists_are_exact_and_that_is_said(
    large: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = asked(large)
    monkeypatch.setitem(sys.modules, "faiss", None)  # as where it is not installed
    with caplog.at_level(logging.WARNING):
        assert add_index(Bundle.load(large), 1000) is None
    assert "no index of 3000 items: pip install 'growthlab[ann]'" in caplog.text
    (large / "items.faiss").write_bytes(b"of somewhere else")
    manifest = Manifest.read(large)
    from growthlab.bundle.manifest import checksums_of

    replace(manifest, files=checksums_of(large), index={"probes": 4}).write(large)
    with caplog.at_level(logging.WARNING):
        assert_near(asked(large), expected)
    assert "faiss is not installed: lists are exact" in caplog.text
    assert json.loads((large / "manifest.json").read_text())["index"] == {"probes": 4}


def test_a_basket_of_a_model_that_knows_only_its_users_goes_by_what_is_like_its_items(
    large: Path,
) -> None:
    maker = Bundle.load(large).list_maker
    assert maker is not None
    factors = maker.scorer.item_vectors()  # type: ignore[attr-defined]
    known, nothing = np.ones(1, dtype=bool), np.zeros(N_ITEMS, dtype=np.float32)
    scorer = UserFactors(known, np.ones((1, 8), dtype=np.float32), factors, nothing)
    by_users = replace(maker, scorer=scorer, fallback=np.ones(N_ITEMS))
    places = np.array([-1])
    (answer,) = by_users.lists([RecommendRequest(basket=["item-00001", "item-00031"])], places, 5)
    assert answer.served == "basket"
    assert {int(i.item[-5:]) % 30 for i in answer.items} == {1}  # all of the same group


def test_a_damaged_index_is_refused(large: Path) -> None:
    pytest.importorskip("faiss", reason="the index needs growthlab[ann]")
    from growthlab.bundle.manifest import checksums_of
    from growthlab.core.errors import BundleError

    (large / "items.faiss").write_bytes(b"no index")
    manifest = Manifest.read(large)
    replace(manifest, files=checksums_of(large), index={"probes": 4}).write(large)
    with pytest.raises(BundleError, match=r"cannot be read: .*; export it again"):
        Bundle.load(large)


def test_a_bundle_whose_arrays_stay_in_their_files_answers_the_same(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("faiss", reason="the index needs growthlab[ann]")
    monkeypatch.setattr(bundle_files, "READ_AT_ONCE", 0)
    add_index(Bundle.load(large), 1000)
    assert Bundle.load(large, mapped=True).recommend(REQUESTS, 10) == asked(large)
