"""Ranking and accuracy against a slow reference: Python loops and fractions, on inputs full of ties."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import inf, log2
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from growthlab.core.histories import Catalogue, Histories
from growthlab.evaluation.block_ranking import rank_items, unseen_targets
from growthlab.metrics.ranking.hit_rate import HitRate
from growthlab.metrics.ranking.map import MAP
from growthlab.metrics.ranking.mrr import MRR
from growthlab.metrics.ranking.ndcg import NDCG
from growthlab.metrics.ranking.precision import Precision
from growthlab.metrics.ranking.recall import Recall
from growthlab.metrics.ranking.recall_capped import RecallCapped
from growthlab.ranking.ties import TieBreak

LEVELS = st.sampled_from([-inf, -1.0, 0.0, 0.0, 0.5, 2.0])
METRICS = (HitRate, MAP, MRR, NDCG, Precision, Recall, RecallCapped)


@st.composite
def questions(draw: st.DrawFn) -> dict[str, Any]:
    """Scores of few levels, NaN rows among them, histories, truth with cold items, and a filter."""
    n_users, n_items = draw(st.integers(1, 6)), draw(st.integers(1, 9))
    scores = draw(hnp.arrays(np.float32, (n_users, n_items), elements=LEVELS))
    scores[draw(hnp.arrays(bool, n_users, elements=st.booleans()))] = np.nan
    own = st.sets(st.integers(0, n_items - 1), max_size=n_items)
    truth = st.sets(st.integers(-1, n_items - 1), max_size=n_items)
    return {
        "scores": scores,
        "past": [sorted(draw(own)) for _ in range(n_users)],
        "truth": [sorted(draw(truth)) for _ in range(n_users)],
        "popularity": draw(hnp.arrays(np.int64, n_items, elements=st.integers(0, 2))),
        "filter_seen": draw(st.sampled_from(["none", "purchased"])),
        "k": draw(st.integers(1, 10)),
        "seed": draw(st.integers(0, 3)),
    }


def histories_of(q: dict[str, Any]) -> Histories:
    n_users, n_items = q["scores"].shape
    return Histories.from_events(
        Catalogue(np.array([f"i{i}" for i in range(n_items)])),
        np.array([f"u{u}" for u in range(n_users)]),
        np.repeat(np.arange(n_users), [len(own) for own in q["past"]]),
        np.array([i for own in q["past"] for i in own], dtype=int),
        np.zeros(sum(map(len, q["past"])), dtype=int),
    )


def ranked(q: dict[str, Any], histories: Histories | None = None, **bound: Any):
    histories = histories_of(q) if histories is None else histories
    offsets = np.cumsum([0, *map(len, q["truth"])])
    items = np.array([i for own in q["truth"] for i in own], dtype=np.int32)
    kept = unseen_targets(histories, offsets, items, q["filter_seen"])
    counts = np.bincount(np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))[kept])
    counts = np.pad(counts, (0, len(offsets) - 1 - len(counts)))
    scores = dict(zip(histories.user_ids.tolist(), q["scores"], strict=True))
    return rank_items(
        lambda h: np.array([scores[u] for u in h.user_ids.tolist()]),
        histories,
        np.concatenate([[0], np.cumsum(counts)]),
        items[kept],
        k=q["k"],
        filter_seen=q["filter_seen"],
        fallback_scores=q["popularity"],
        seed=q["seed"],
        popularity=q["popularity"],
        n_past_users=5,
        **bound,
    )


def plain(q: dict[str, Any]) -> list[dict[str, Any]]:
    """List, median ranks and truth of each user, one item after the other."""
    n_users, n_items = q["scores"].shape
    ids = np.array([f"u{u}" for u in range(n_users)]), np.array([f"i{i}" for i in range(n_items)])
    keys = TieBreak.of(*ids, q["seed"]).keys(np.arange(n_users)[:, None], np.arange(n_items))
    answers = []
    for user in range(n_users):
        row = [float(s) for s in q["scores"][user]]
        unscored = all(s != s for s in row)
        if unscored:
            row = [float(p) for p in q["popularity"]]
        hidden = set(q["past"][user]) if q["filter_seen"] != "none" else set()
        row = [-inf if item in hidden else score for item, score in enumerate(row)]
        listable = [item for item in range(n_items) if row[item] > -inf]
        listable.sort(key=lambda item: (-row[item], int(keys[user, item])))
        truth = [item for item in q["truth"][user] if item not in hidden]
        ranks = []
        for item in truth:
            if item < 0 or row[item] == -inf:
                ranks.append((inf, False))
                continue
            n_greater = sum(other > row[item] for other in row)
            n_equal = sum(other == row[item] for other in row)
            ranks.append((float(n_greater + Fraction(n_equal - 1, 2) + 1), n_equal > 1))
        answers.append({"list": listable[: q["k"]], "truth": truth, "ranks": ranks, "row": row})
        answers[-1]["unscored"] = unscored
    return answers


def plain_metrics(listed: list[int], truth: list[int], k: int) -> dict[str, Any]:
    """Every accuracy metric of one list, exact but for the logarithms."""
    relevance = [item in truth for item in listed] + [False] * (k - len(listed))
    hits, most = sum(relevance), min(k, len(truth))
    precision = [Fraction(sum(relevance[:j]), j) for j in range(1, k + 1)]
    firsts = [Fraction(1, j) for j, hit in enumerate(relevance, 1) if hit]
    gain = sum(1 / log2(j + 1) for j, hit in enumerate(relevance, 1) if hit)
    return {
        "hit_rate": int(hits > 0),
        "precision": Fraction(hits, k),
        "recall": Fraction(hits, len(truth)),
        "recall_capped": Fraction(hits, most),
        "mrr": firsts[0] if firsts else 0,
        "map": sum(p for p, hit in zip(precision, relevance, strict=True) if hit) / Fraction(most),
        "ndcg": gain / sum(1 / log2(j + 1) for j in range(1, most + 1)),
    }


@settings(max_examples=150, deadline=None)
@given(q=questions())
def test_lists_ranks_and_metrics_are_those_of_plain_loops(q):
    lists, expected, k = ranked(q), plain(q), q["k"]
    computed = {m.name: m(k=(k,)).per_user(lists)[f"{m.name}_at_{k}"] for m in METRICS}
    for user, answer in enumerate(expected):
        padded = answer["list"] + [-1] * (k - len(answer["list"]))
        assert lists.items[user].tolist() == padded
        assert lists.scores[user].tolist() == [answer["row"][i] if i >= 0 else -inf for i in padded]
        assert lists.fallback[user] == answer["unscored"]
        span = slice(*lists.truth_offsets[user : user + 2])
        assert lists.truth_items[span].tolist() == answer["truth"]
        ranks = zip(lists.truth_ranks[span].tolist(), lists.truth_tied[span].tolist(), strict=True)
        assert list(ranks) == answer["ranks"]
        if not answer["truth"]:
            assert all(np.isnan(values[user]) for values in computed.values())
            continue
        for name, value in plain_metrics(answer["list"], answer["truth"], k).items():
            assert computed[name][user] == pytest.approx(float(value), abs=1e-12), name


@settings(max_examples=60, deadline=None)
@given(q=questions(), users=st.randoms(use_true_random=False))
def test_the_order_of_users_and_the_size_of_blocks_change_nothing(q, users):
    whole = ranked(q)
    order = list(range(len(q["past"])))
    users.shuffle(order)
    shuffled = {
        **q,
        "scores": q["scores"][order],
        "past": [q["past"][u] for u in order],
        "truth": [q["truth"][u] for u in order],
    }
    ids = histories_of(q).user_ids[order]
    again = ranked(shuffled, replace(histories_of(shuffled), user_ids=ids), memory_mb=0.002)
    assert (again.items == whole.items[order]).all()
    assert (again.scores == whole.scores[order]).all()
    per_user = NDCG(k=(q["k"],)).per_user
    name = f"ndcg_at_{q['k']}"
    # the lists are the same; a sum of the same numbers may round otherwise in another place
    np.testing.assert_allclose(per_user(again)[name], per_user(whole)[name][order], rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(q=questions(), items=st.randoms(use_true_random=False))
def test_other_codes_of_the_same_items_change_nothing(q, items):
    whole = ranked(q)
    n_items = q["scores"].shape[1]
    order = list(range(n_items))  # new code -> old code
    items.shuffle(order)
    new = {old: code for code, old in enumerate(order)} | {-1: -1}
    shuffled = {
        **q,
        "scores": q["scores"][:, order],
        "past": [[new[i] for i in own] for own in q["past"]],
        "truth": [[new[i] for i in own] for own in q["truth"]],
        "popularity": q["popularity"][order],
    }
    catalogue = Catalogue(np.array([f"i{i}" for i in order]))
    again = ranked(shuffled, replace(histories_of(shuffled), catalogue=catalogue))
    back = np.array([*order, -1])
    assert (back[again.items] == whole.items).all()
    assert (again.truth_ranks == whole.truth_ranks).all()


class Factors:
    """Whole numbers, so that a product is exact however it is cut."""

    def __init__(self, users: np.ndarray, items: np.ndarray) -> None:
        self.users, self.items = users, items

    def embed(self, histories: Histories) -> np.ndarray:
        return self.users[[int(u[1:]) for u in histories.user_ids]]

    def item_vectors(self) -> np.ndarray:
        return self.items

    def score(self, histories: Histories) -> np.ndarray:
        return self.embed(histories) @ self.items.T


@settings(max_examples=60, deadline=None)
@given(q=questions(), seed=st.integers(0, 99), memory_mb=st.sampled_from([0.0035, 0.008, 0.02]))
def test_blocks_of_items_give_what_whole_rows_give(q, seed, memory_mb):
    n_users, n_items = q["scores"].shape
    random = np.random.default_rng(seed)
    users = random.integers(-1, 2, (n_users, 2)).astype(np.float32)
    users[np.isnan(q["scores"]).all(axis=1)] = np.nan
    model = Factors(users, random.integers(-1, 2, (n_items, 2)).astype(np.float32))
    q = {**q, "scores": users @ model.items.T}
    whole, tiled = ranked(q), ranked(q, memory_mb=memory_mb, factors=model)
    for name in ("items", "scores", "truth_ranks", "truth_tied", "fallback"):
        assert (getattr(whole, name) == getattr(tiled, name)).all(), name
