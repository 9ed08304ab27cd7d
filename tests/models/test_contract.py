"""What holds for every recommender: the tests find the models by their config files."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf, open_dict

from growthlab.config.compose import compose_choice
from growthlab.config.space_from_config import range_texts
from growthlab.core.build import build
from growthlab.core.histories import EVENT_CODE, Catalogue, Histories
from growthlab.models.base import Recommender
from growthlab.scorers.load import load_scorer
from growthlab.training.fit_options import FitOptions

CONF = Path(__file__).parents[2] / "conf"
NAMES = sorted(path.stem for path in (CONF / "model" / "recommend").glob("*.yaml"))
MINUTE = 60_000_000
CLOSE = {"rtol": 1e-4, "atol": 1e-5, "equal_nan": True}  # networks batch their sums differently

SEARCHED = sorted(path.stem for path in (CONF / "search" / "recommend").glob("*.yaml"))
every_model = pytest.mark.parametrize("name", NAMES)


def new_model(name: str, epochs: int = 2, batch: int | None = None) -> Recommender:
    """The model of a config file; whatever has a trainer is cut to a few epochs."""
    node = config_of(name)
    if "trainer" in node:
        with open_dict(node):
            node.trainer.epochs = epochs
            node.trainer.batch = batch or node.trainer.batch
    return build(node, Recommender)


def config_of(name: str) -> Any:
    """The compose node of a model's config file."""
    return compose_choice(f"model=recommend/{name}").model


def fit(name: str, past: Histories, seed: int = 0) -> Recommender:
    return new_model(name).fit(past, FitOptions(seed=seed, device="cpu"))


@cache
def shop() -> Histories:
    """40 users, the last without a history; 30 items, the last 3 never sold; shared times."""
    random = np.random.default_rng(1)
    n_users, n_items, n_events = 40, 30, 500
    words = np.array(["red", "blue", "mug", "lamp", "card", "bag", "tin", "clock"])
    catalogue = Catalogue(
        item_ids=np.array([f"i{i:02d}" for i in range(n_items)]),
        text=np.array([" ".join(random.choice(words, 3)) for _ in range(n_items)]),
        category=np.array([f"home > {random.choice(words)}" for _ in range(n_items)]),
        attributes=np.array([f"colour={random.choice(words)}" for _ in range(n_items)]),
        price=random.lognormal(1, 1, n_items).astype(np.float32),
    )
    kinds = np.array([EVENT_CODE["view"], EVENT_CODE["purchase"]])
    return Histories.from_events(
        catalogue,
        np.array([f"u{u:02d}" for u in range(n_users)]),
        random.integers(0, n_users - 1, n_events),
        (27 * random.random(n_events) ** 2).astype(int),
        (19_000 * 1440 + 600 * random.integers(0, 60, n_events)) * MINUTE,
        event_types=random.choice(kinds, n_events),
        quantities=random.integers(1, 5, n_events),
        prices=random.lognormal(1, 1, n_events),
    )


@cache
def fitted(name: str) -> Recommender:
    return fit(name, shop())


def is_personalised(model: Recommender) -> bool:
    return getattr(model, "personalised", True)


def scorable(scores: np.ndarray) -> np.ndarray:
    """The rows that are not NaN as a whole, after checking that all else is a number or -inf."""
    unknown = np.isnan(scores).all(axis=1)
    rest = scores[~unknown]
    assert not np.isnan(rest).any()
    assert not np.isposinf(rest).any()
    return ~unknown


def reordered_in_baskets(histories: Histories) -> Histories:
    """The same events, each basket's stored in another order."""
    order = np.lexsort((-np.arange(histories.n_events), histories.baskets))
    names = ("items", "times", "event_types", "quantities", "prices")
    return replace(histories, **{n: getattr(histories, n)[order] for n in names})


def recoded(histories: Histories, places: np.ndarray) -> Histories:
    """The same raw events on a catalogue in another order: new code ``places[i]`` for code i."""
    order = np.argsort(places)
    catalogue = Catalogue(**{n: a[order] for n, a in histories.catalogue.to_arrays().items()})
    return Histories.from_events(
        catalogue,
        histories.user_ids,
        histories.rows,
        places[histories.items],
        histories.times,
        event_types=histories.event_types,
        quantities=histories.quantities,
        prices=histories.prices,
        user_codes=histories.user_codes,
        timed=histories.timed,
    )


@pytest.mark.parametrize("path", sorted(CONF.glob("model/*/*.yaml")), ids=lambda p: p.stem)
def test_the_file_of_a_model_says_when_to_use_it(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert re.fullmatch(r"# Use: \S.*", lines[1]), f"the second line of {path} is {lines[1]}"


@every_model
def test_scores_are_float32_of_every_user_and_item(name: str) -> None:
    scores = fitted(name).score(shop())
    assert scores.shape == (40, 30)
    assert scores.dtype == np.float32
    assert scorable(scores)[:39].all()  # everybody with a history


@every_model
def test_scores_are_the_caller_s_to_change(name: str) -> None:
    model = fitted(name)
    scores = model.score(shop())
    before = scores.copy()
    scores[:] = 7
    assert np.array_equal(model.score(shop()), before, equal_nan=True)


@every_model
def test_it_says_whether_the_seed_matters(name: str) -> None:
    model = fitted(name)
    again, other = fit(name, shop()), fit(name, shop(), seed=1)
    np.testing.assert_array_equal(again.score(shop()), model.score(shop()))
    same = np.array_equal(other.score(shop()), model.score(shop()), equal_nan=True)
    assert same != model.stochastic


@every_model
def test_items_are_the_columns_of_the_whole(name: str) -> None:
    items = np.array([7, 29, 0, 13])
    whole = fitted(name).score(shop())
    np.testing.assert_allclose(fitted(name).score(shop(), items), whole[:, items], **CLOSE)
    assert fitted(name).score(shop(), items[:0]).shape == (40, 0)


@every_model
def test_no_users_are_no_rows(name: str) -> None:
    nobody = shop().select(np.arange(0))
    assert fitted(name).score(nobody).shape == (0, 30)


@every_model
def test_each_user_is_scored_alone(name: str) -> None:
    rows = np.random.default_rng(0).permutation(40)[:17]
    whole = fitted(name).score(shop())
    np.testing.assert_allclose(fitted(name).score(shop().select(rows)), whole[rows], **CLOSE)


@every_model
def test_an_empty_history_is_a_nan_row_where_the_model_is_personal(name: str) -> None:
    asked = Histories.from_lists(shop().catalogue, [["i03"], []])
    could = scorable(fitted(name).score(asked))
    assert could[1] != is_personalised(fitted(name))
    known_but_empty = shop().select(np.array([39]))
    assert scorable(fitted(name).score(known_but_empty))[0] != is_personalised(fitted(name))


@every_model
def test_unknown_users_are_folded_in_or_nan(name: str) -> None:
    anonymous = replace(
        shop(), user_codes=np.full(40, -1, dtype=np.int32), user_ids=np.full(40, "")
    )
    scorable(fitted(name).score(anonymous))
    beyond = replace(shop(), user_codes=np.arange(1000, 1040, dtype=np.int32))
    scorable(fitted(name).score(beyond))


@every_model
def test_nothing_it_is_given_is_changed(name: str) -> None:
    given = {k: v.copy() for k, v in shop().to_arrays().items()}
    fit(name, shop()).score(shop())
    for key, array in shop().to_arrays().items():
        np.testing.assert_array_equal(array, given[key], err_msg=key)


@every_model
def test_the_order_inside_a_basket_means_nothing(name: str) -> None:
    whole = fitted(name).score(shop())
    other = reordered_in_baskets(shop())
    assert not np.array_equal(other.items, shop().items)
    np.testing.assert_allclose(fitted(name).score(other), whole, **CLOSE)


@every_model
def test_the_clock_s_origin_means_nothing(name: str) -> None:
    later = replace(shop(), times=shop().times + 1_000_000 * MINUTE)
    np.testing.assert_allclose(fit(name, later).score(later), fitted(name).score(shop()), **CLOSE)


@every_model
@pytest.mark.parametrize("changed", ["items", "users", "baskets"])
def test_internal_codes_and_orders_mean_nothing(name: str, changed: str) -> None:
    if changed != "baskets" and fitted(name).stochastic and is_personalised(fitted(name)):
        pytest.skip("a random start is drawn by internal codes")
    places = np.random.default_rng(5).permutation(30)
    rows = np.random.default_rng(6).permutation(40)
    as_before = np.argsort(rows)
    change: dict[str, Callable[[Histories], Histories]] = {
        "items": lambda h: recoded(h, places),
        "users": lambda h: replace(h.select(rows), user_codes=np.arange(40, dtype=np.int32)),
        "baskets": reordered_in_baskets,
    }
    past = change[changed](shop())
    scores = fit(name, past).score(past)
    scores = scores[:, places] if changed == "items" else scores
    scores = scores[as_before] if changed == "users" else scores
    np.testing.assert_allclose(scores, fitted(name).score(shop()), **CLOSE)


@every_model
def test_the_scorer_survives_saving(name: str) -> None:
    scorer = fitted(name).scorer()  # type: ignore[attr-defined]
    saved = io.BytesIO()
    np.savez(saved, **scorer.to_arrays())
    saved.seek(0)
    arrays = dict(np.load(saved, allow_pickle=False))
    loaded = load_scorer(scorer.kind, arrays, scorer.to_files())
    whole = fitted(name).score(shop())
    np.testing.assert_allclose(loaded.score(shop()), whole, **CLOSE)  # type: ignore[union-attr]
    asked = Histories.from_lists(shop().catalogue, [["i03", "i07"], ["i01"], []])
    np.testing.assert_allclose(
        loaded.score(asked),  # type: ignore[union-attr]
        fitted(name).score(asked),
        **CLOSE,
    )


def checkerboard() -> tuple[Histories, np.ndarray]:
    """Two groups of 60 users and 12 items: each user has 7 of the own group, in any order.

    Beside the histories: the group's items as a bool matrix, users x items.
    """
    random = np.random.default_rng(2)
    n_users, n_items, length = 120, 24, 7
    own = (np.arange(n_users) % 2)[:, None] == np.arange(n_items) % 2
    items = np.concatenate([random.permutation(np.flatnonzero(row))[:length] for row in own])
    groups = np.array(["kitchen", "garden"])[np.arange(n_items) % 2]
    catalogue = Catalogue(
        item_ids=np.array([f"i{i:02d}" for i in range(n_items)]),
        text=np.array([f"{group} thing number{i}" for i, group in enumerate(groups)]),
        category=groups,
    )
    user_ids = np.array([f"u{u:03d}" for u in range(n_users)])
    rows = np.repeat(np.arange(n_users), length)
    times = np.tile(np.arange(length), n_users) * 1440 * MINUTE
    return Histories.from_events(catalogue, user_ids, rows, items, times), own


@every_model
def test_a_personalised_model_tells_two_groups_apart(name: str) -> None:
    # few epochs: later on a network learns by heart what each user has, and unseen items suffer
    model = new_model(name, epochs=10, batch=16)
    if not is_personalised(model):
        pytest.skip("the same list for everybody")
    past, own = checkerboard()
    scores = model.fit(past, FitOptions(seed=0, device="cpu")).score(past)
    seen = past.matrix().toarray() > 0
    # a model of own items only cannot rank unseen ones: it has to know its own
    wanted = seen if getattr(model, "repeats_only", False) else own & ~seen
    wins = [
        (row[want][:, None] > row[~group]).mean()
        for row, want, group in zip(scores, wanted, own, strict=True)
    ]
    # seeds 0 ... 2 in float32 and bfloat16, with AVX-512 and AVX2: nextitnet and neumf .994 to .999,
    # gru4rec, sasrec, caser and bpr from .998; a model that learned nothing has .5
    assert np.mean(wins) > 0.95


@pytest.mark.parametrize("name", SEARCHED)
def test_a_search_space_names_settings_of_its_model(name: str) -> None:
    node = config_of(name)
    space = OmegaConf.load(CONF / "search" / "recommend" / f"{name}.yaml")
    for key, values in range_texts(space).items():
        assert OmegaConf.select(node, str(key), default="absent") != "absent", key
        (override,) = OverridesParser.create().parse_overrides([f"{key}={values}"])
        assert override.is_sweep_override(), f"{key}={values} is no grammar of a sweep"
