"""Models made of models: what is learned inside the past, and that nobody looks beyond the cut."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from growthlab.core.errors import ConfigError, DataError, ExportError
from growthlab.core.histories import EVENT_CODE, Catalogue, Histories
from growthlab.models.hybrid import Hybrid
from growthlab.models.inner_fold import InnerCut, fit_before_cut
from growthlab.models.recommend.blend import Blend, select_weights
from growthlab.models.recommend.gru4rec import GRU4Rec
from growthlab.models.recommend.item_knn import ItemKNN
from growthlab.models.recommend.markov import Markov
from growthlab.models.recommend.personal_frequency import PersonalFrequency
from growthlab.models.recommend.popularity import Popularity
from growthlab.models.recommend.two_stage import TwoStage
from growthlab.models.recommend.user_knn import UserKNN
from growthlab.training.fit_options import FitOptions
from growthlab.training.loop import Trainer

DAY = 86_400_000_000
N_ITEMS, N_USERS, N_DAYS = 40, 60, 50
OPTIONS = FitOptions(seed=0, device="cpu")


def catalogue() -> Catalogue:
    return Catalogue(np.array([f"i{i:02d}" for i in range(N_ITEMS)]))


def walks(*, timed: bool = True, n_days: int = N_DAYS) -> Histories:
    """Every day each user takes the item after the last one: only the order tells what comes next."""
    days = np.tile(np.arange(n_days), N_USERS)
    rows = np.repeat(np.arange(N_USERS), n_days)
    starts = np.random.default_rng(0).integers(0, N_ITEMS, N_USERS)
    items = (starts[rows] + days) % N_ITEMS
    users = np.array([f"u{u:02d}" for u in range(N_USERS)])
    times = days * DAY if timed else days
    return Histories.from_events(catalogue(), users, rows, items, times, timed=timed)


@dataclass
class Noted:
    """A member that writes down what it was fitted on, and what it was told."""

    notes: list[tuple[Histories, FitOptions]]
    stochastic: ClassVar[bool] = False

    def fit(self, past: Histories, options: FitOptions) -> Noted:
        self.notes.append((past, options))
        self.popularity = np.asarray(past.matrix().sum(axis=0)).ravel()
        return self

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        scores = np.tile(self.popularity, (histories.n_users, 1)).astype(np.float32)
        return scores if items is None else scores[:, items]


HYBRIDS: list[Callable[..., Hybrid]] = [Blend, TwoStage]
both = pytest.mark.parametrize("hybrid", HYBRIDS, ids=["blend", "two_stage"])


@both
def test_no_member_sees_what_the_hybrid_learns_from(hybrid: Callable[..., Hybrid]) -> None:
    notes: list[Any] = []
    members = {"noted": lambda: Noted(notes), "markov": Markov}
    hybrid(members=members).fit(walks(), replace(OPTIONS, horizon_days=7.0))
    newest = [past.times.max() // DAY for past, _ in notes]
    # days 0 ... 49; the 7 days of the horizon, 43 ... 49, are the labels; then all is known
    assert newest == [42, 49]


@both
def test_in_an_order_only_log_the_last_basket_of_each_is_not_seen(hybrid) -> None:
    notes: list[Any] = []
    members = {"noted": lambda: Noted(notes), "markov": Markov}
    hybrid(members=members).fit(walks(timed=False), OPTIONS)
    assert [past.lengths.tolist() for past, _ in notes] == [[49] * N_USERS, [50] * N_USERS]


def test_without_a_horizon_the_newest_fifth_of_the_events_is_what_came_next() -> None:
    cut = InnerCut.of(walks(), OPTIONS)
    assert cut.past.times.max() // DAY == 39  # of 50 days
    assert (cut.n_relevant == 10).all()


def test_a_horizon_longer_than_half_of_the_past_is_no_window() -> None:
    cut = InnerCut.of(walks(), replace(OPTIONS, horizon_days=26.0))
    assert cut.past.times.max() // DAY == 39
    cut = InnerCut.of(walks(), replace(OPTIONS, horizon_days=24.0))
    assert cut.past.times.max() // DAY == 25


def test_the_gap_of_the_task_lies_between_the_parts() -> None:
    told = replace(OPTIONS, horizon_days=7.0)
    plain, apart = InnerCut.of(walks(), told), InnerCut.of(walks(), replace(told, gap_days=3.0))
    assert plain.past.times.max() // DAY - apart.past.times.max() // DAY == 3
    assert (apart.n_relevant == plain.n_relevant).all()


def test_only_what_the_task_counts_is_learned_from() -> None:
    past = walks()
    views = past.times // DAY == 45
    kinds = np.where(views, EVENT_CODE["view"], EVENT_CODE["purchase"]).astype(np.uint8)
    told = replace(OPTIONS, horizon_days=7.0, target_events=("purchase",))
    cut = InnerCut.of(replace(past, event_types=kinds), told)
    assert (cut.n_relevant == 6).all()  # 7 days, one of them without a purchase


def test_what_the_task_hides_is_not_learned_from() -> None:
    # days 0 ... 43: of the last seven, 37 ... 43, the walk is back at its start from day 40 on
    told = replace(OPTIONS, horizon_days=7.0)
    assert (InnerCut.of(walks(n_days=44), told).n_relevant == 7).all()
    hiding = replace(told, filter_seen="purchased")
    cut = InnerCut.of(walks(n_days=44), hiding)
    assert (cut.n_relevant == 3).all()
    ranks = np.tile(np.arange(1.0, N_ITEMS + 1), (1, N_USERS, 1))
    listed = cut.candidates(ranks, np.arange(N_USERS), depth=3)
    assert cut.hidden is not None
    assert not listed[cut.hidden.toarray() > 0].any()
    with pytest.raises(DataError, match="too short to be cut in two"):
        InnerCut.of(walks(n_days=44), replace(hiding, horizon_days=3.0))


def test_weights_go_to_the_member_that_is_right() -> None:
    members = {"popularity": Popularity, "markov": Markov, "personal": PersonalFrequency}
    model = Blend(members=members).fit(walks(), replace(OPTIONS, horizon_days=1.0))
    assert model.weights_["markov"] > 0.9
    assert sum(model.weights_.values()) == pytest.approx(1)


def test_the_selection_finds_the_mix_that_neither_member_is() -> None:
    # one list of 12 items, one relevant: of each member's view it is second, but never the same
    # item is before it, so that together it is first
    values = np.zeros((1, 12, 2), dtype=np.float32)
    values[0, :3, 0], values[0, :3, 1] = [0.9, 0.8, 0.0], [0.0, 0.8, 0.9]
    relevant = np.zeros((1, 12), dtype=bool)
    relevant[0, 1] = True
    weights, alone, together = select_weights(values, relevant, np.array([1]))
    np.testing.assert_allclose(alone, 1 / np.log2(3))
    np.testing.assert_allclose(weights, [0.5, 0.5])
    assert together == pytest.approx(1)


@pytest.mark.parametrize("horizon", [1.0, None])
def test_equal_weights_fit_each_member_once(horizon: float | None) -> None:
    notes: list[Any] = []
    members = {"noted": lambda: Noted(notes), "markov": Markov}
    told = replace(OPTIONS, horizon_days=horizon)
    model = Blend(members=members, weights="equal").fit(walks(), told)
    assert model.weights_ == {"noted": 0.5, "markov": 0.5}
    assert len(notes) == 1


def test_a_past_too_short_to_be_cut_leaves_the_weights_of_a_blend_equal(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        model = Blend(members={"a": Popularity, "b": Markov}).fit(walks(n_days=1), OPTIONS)
    assert model.weights_ == {"a": 0.5, "b": 0.5}
    assert "weights stay equal: the past is too short to be cut in two" in caplog.text


def test_a_past_too_short_to_be_cut_is_one_line_of_two_stage() -> None:
    line = "two_stage: the past is too short to be cut in two: no user has a history before"
    with pytest.raises(DataError, match=line):
        TwoStage(members={"a": Popularity, "b": Markov}).fit(walks(n_days=1), OPTIONS)


def test_nothing_taken_among_the_candidates_is_one_line() -> None:
    members = {"a": Popularity, "b": PersonalFrequency}
    with pytest.raises(DataError, match=r"raise model\.candidates \(1\)"):
        TwoStage(members=members, candidates=1).fit(
            walks(n_days=30), replace(OPTIONS, horizon_days=1.0)
        )


def test_the_trees_learn_what_a_member_knows_and_report_their_cap() -> None:
    members = {"personal": PersonalFrequency, "markov": Markov}
    model = TwoStage(members=members, candidates=5, min_leaf=5)
    model.fit(walks(), replace(OPTIONS, horizon_days=1.0))
    assert model.candidate_recall_ == pytest.approx(1)
    past = walks()
    scores = model.score(past)
    following = (past.items[past.offsets[1:] - 1] + 1) % N_ITEMS
    assert (scores.argmax(axis=1) == following).mean() > 0.95


def test_items_outside_the_candidates_stand_below_them_in_the_members_order() -> None:
    members = {"personal": PersonalFrequency, "popularity": Popularity}
    past = noisy()
    model = TwoStage(members=members, candidates=10).fit(past, replace(OPTIONS, horizon_days=5.0))
    (result,) = model.scorer_.blocks(past)
    scores = model.score(past)
    assert np.isfinite(scores).all()
    listed = np.zeros(scores.shape, dtype=bool)
    listed[result.rows, result.items] = True
    for row, order, own in zip(scores, result.order, listed, strict=True):
        assert row[own].min() > row[~own].max()
        settled = np.argsort(-order[~own], kind="stable")
        assert (np.diff(row[~own][settled]) <= 0).all()


def ensemble(hybrid: Callable[..., Hybrid]) -> Hybrid:
    members = {"personal": PersonalFrequency, "knn": UserKNN, "markov": Markov}
    more = {} if hybrid is Blend else {"objective": "lambdarank", "min_leaf": 5}
    return hybrid(members=members, **more)


@both
def test_the_order_of_the_users_means_nothing(hybrid: Callable[..., Hybrid]) -> None:
    past = noisy()
    rows = np.random.default_rng(1).permutation(past.n_users)
    mixed = replace(past.select(rows), user_codes=np.arange(past.n_users, dtype=np.int32))
    one, other = ensemble(hybrid).fit(past, OPTIONS), ensemble(hybrid).fit(mixed, OPTIONS)
    np.testing.assert_allclose(other.score(mixed), one.score(past)[rows], rtol=1e-5, atol=1e-6)


def noisy() -> Histories:
    """Walks that jump now and then, so that no member is always right."""
    random, past = np.random.default_rng(2), walks()
    jumps = random.random(past.n_events) < 0.3
    items = np.where(jumps, random.integers(0, N_ITEMS, past.n_events), past.items)
    return replace(past, items=items.astype(np.int32))


class Interrupted(Exception):
    """The process was killed here."""


@dataclass
class Fragile(Markov):
    """A member that fails at its n-th fit."""

    fits: list[int] = field(default_factory=list)
    fails_at: int = 0

    def fit(self, past: Histories, options: FitOptions) -> Any:
        self.fits.append(past.n_events)
        if len(self.fits) == self.fails_at:
            raise Interrupted
        return super().fit(past, options)


@both
def test_an_interrupted_fit_does_not_learn_again_what_it_had_learned(hybrid, tmp_path) -> None:
    past, fits = noisy(), []

    def made(fails_at: int) -> Hybrid:
        members = {"personal": PersonalFrequency, "fragile": lambda: Fragile(fits=fits)}
        members["fragile"] = lambda: Fragile(fits=fits, fails_at=fails_at)
        return hybrid(members=members)

    told = replace(OPTIONS, checkpoint=tmp_path / "fit")
    with pytest.raises(Interrupted):
        made(fails_at=2).fit(past, told)  # the first is inside the past, the second on all of it
    fits.clear()
    resumed = made(fails_at=0).fit(past, told)
    assert fits == [past.n_events]
    whole = made(fails_at=0).fit(past, OPTIONS)
    np.testing.assert_array_equal(resumed.score(past), whole.score(past))
    assert not list(tmp_path.rglob("*.json"))


def network(epochs: int = 4) -> GRU4Rec:
    return GRU4Rec(width=8, state=8, trainer=Trainer(epochs=epochs, patience=2, lr=0.02))


def test_a_network_inside_stops_early_and_is_refitted_with_the_best_epochs() -> None:
    members = {"markov": Markov, "gru": network}
    model = Blend(members=members).fit(noisy(), replace(OPTIONS, horizon_days=5.0))
    cut = InnerCut.of(noisy(), replace(OPTIONS, horizon_days=5.0))
    _, epochs = fit_before_cut(members, cut, OPTIONS)
    assert set(epochs) == {"gru"}
    assert len(model.scorer_.members.by_name["gru"].losses_) == epochs["gru"]
    assert model.stochastic


def test_epochs_that_the_caller_names_are_those_of_the_networks_inside() -> None:
    told = replace(OPTIONS, horizon_days=5.0, epochs=1)
    model = Blend(members={"markov": Markov, "gru": network}).fit(noisy(), told)
    assert len(model.scorer_.members.by_name["gru"].losses_) == 1


def test_each_member_has_a_checkpoint_folder_of_its_own(tmp_path: Path) -> None:
    notes: list[Any] = []
    members = {"noted": lambda: Noted(notes), "markov": Markov}
    Blend(members=members).fit(walks(), replace(OPTIONS, checkpoint=tmp_path))
    assert [o.checkpoint for _, o in notes] == [tmp_path / "inside/noted", tmp_path / "whole/noted"]


def test_epochs_before_an_interruption_count_towards_patience(tmp_path: Path) -> None:
    told = replace(OPTIONS, horizon_days=5.0, checkpoint=tmp_path)
    cut = InnerCut.of(noisy(), told)
    memory = tmp_path / "inside" / "gru" / "watch.json"
    fit_before_cut({"gru": network}, cut, told)
    assert len(json.loads(memory.read_text())) >= 2


def hybrid_with(**members: Callable[[], Any]) -> Blend:
    return Blend(members=members)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: hybrid_with(one=Markov), "must name two models or more, got one"),
        (lambda: hybrid_with(), "must name two models or more, got none"),
        (
            lambda: hybrid_with(a=Markov, near=lambda: ItemKNN(neighbours=0)),
            r"model\.members\.near: neighbours must be 1 or more",
        ),
        (lambda: hybrid_with(a=Markov, b=SimpleNamespace), "b: SimpleNamespace is no recommender"),
        (lambda: Blend(members=PAIR, weights="best"), r"model\.weights=best: possible: equal"),
        (lambda: Blend(members=PAIR, constant=-1), r"model\.constant must be 0 or more, got -1"),
        (lambda: TwoStage(members=PAIR, candidates=0), "candidates must be at least 1, got 0"),
        (lambda: TwoStage(members=PAIR, leaves=1), "leaves must be at least 2, got 1"),
        (lambda: TwoStage(members=PAIR, objective="rank"), "objective=rank: possible: lambdarank"),
        (lambda: TwoStage(members=PAIR, lr=0), r"model\.lr must be positive, got 0"),
        (lambda: TwoStage(members=PAIR, l2=-1), r"model\.l2 must not be negative, got -1"),
        (lambda: TwoStage(members=PAIR, feature_share=0), "feature_share must be in"),
    ],
)
def test_a_wrong_setting_is_one_line(make: Callable[[], Any], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        make()


PAIR = {"markov": Markov, "popularity": Popularity}


def test_a_member_that_cannot_be_fitted_says_which_it_is() -> None:
    members = {"markov": Markov, "near": lambda: ItemKNN(half_life_days=3)}
    with pytest.raises(DataError, match=r"model\.members\.near: item_knn with half_life_days=3"):
        Blend(members=members, weights="equal").fit(walks(timed=False), OPTIONS)


def test_a_hybrid_is_exportable_when_all_of_its_members_are() -> None:
    model = Blend(members={"noted": lambda: Noted([]), "markov": Markov}).fit(walks(), OPTIONS)
    with pytest.raises(ExportError, match=r"its member noted \(Noted\) has no scorer"):
        model.scorer()


def test_a_hybrid_of_hybrids_is_fitted_scored_and_exported() -> None:
    inner = lambda: Blend(members={"markov": Markov, "personal": PersonalFrequency})  # noqa: E731
    model = Blend(members={"inner": inner, "knn": UserKNN}).fit(noisy(), OPTIONS)
    scorer = model.scorer()
    loaded = type(scorer).load(scorer.to_arrays(), scorer.to_files())
    np.testing.assert_allclose(loaded.score(noisy()), model.score(noisy()))
