"""Item content in the sequence models: items without events get a vector, in each of them alike."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hydra import compose, initialize_config_dir

from growthlab.core.build import build
from growthlab.core.errors import ConfigError, DataError
from growthlab.core.histories import Catalogue, Histories
from growthlab.features.term_content import TermContent
from growthlab.models.base import Recommender
from growthlab.models.recommend.gru4rec import GRU4Rec
from growthlab.models.sequence_recommender import SequenceRecommender
from growthlab.scorers.load import load_scorer
from growthlab.training.fit_options import EpochVerdict, FitOptions
from growthlab.training.loop import Trainer

CONF = Path(__file__).parents[2] / "conf"
NAMES = sorted(
    path.stem
    for path in (CONF / "model" / "recommend").glob("*.yaml")
    if "id_dropout:" in path.read_text()
)
OPTIONS = FitOptions(seed=0, device="cpu")
COLD = {"blue": 24, "red": 25}  # codes of the items that nobody had
every_model = pytest.mark.parametrize("name", NAMES)


@cache
def shop() -> Histories:
    """60 users of two tastes, 12 items of each, sold in any order; the last two items never."""
    random = np.random.default_rng(0)
    colours = np.array(["blue", "red"] * 12 + ["blue", "red"])
    catalogue = Catalogue(
        item_ids=np.array([f"i{i:02d}" for i in range(26)]),
        text=np.array([f"{colour} thing number{i % 5}" for i, colour in enumerate(colours)]),
    )
    items = [random.permutation(np.arange(u % 2, 24, 2))[:7] for u in range(60)]
    return Histories.from_events(
        catalogue,
        np.array([f"u{u:02d}" for u in range(60)]),
        np.repeat(np.arange(60), 7),
        np.concatenate(items),
        np.tile(np.arange(7), 60),
        timed=False,
    )


def model_of(name: str, *words: str, epochs: int = 8) -> Any:
    settings = [f"model.trainer.epochs={epochs}", "model.trainer.batch=8", *words]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return build(compose(overrides=[f"+model=recommend/{name}", *settings]).model, Recommender)


def with_content(name: str, *words: str, epochs: int = 20) -> Any:
    content = ["content@model.content=tf_idf_svd", "model.content.components=4"]
    return model_of(name, *content, *words, epochs=epochs)


@cache
def fitted(name: str) -> SequenceRecommender:
    return with_content(name).fit(shop(), OPTIONS)


def test_every_sequence_model_can_take_content() -> None:
    assert {"gru4rec", "sasrec", "caser", "nextitnet"} <= set(NAMES)


@every_model
def test_an_item_without_events_is_scored_by_its_content(name: str) -> None:
    scores = fitted(name).score(shop())
    blue = np.arange(60) % 2 == 0
    ahead = scores[:, COLD["blue"]] > scores[:, COLD["red"]]
    # seeds 0 ... 2 in float32 and bfloat16: 1 for every model, here and below; chance is .5
    assert (ahead == blue).mean() > 0.9
    # and stands among the sold items of the user's taste, above those of the other
    other = np.where(blue[:, None], scores[:, 1:24:2], scores[:, 0:24:2]).mean(axis=1)
    own = np.where(blue, scores[:, COLD["blue"]], scores[:, COLD["red"]])
    assert (own > other).mean() > 0.9


@every_model
def test_by_ids_alone_a_negative_at_every_step_has_the_lowest_bias_of_all(name: str) -> None:
    bias = model_of(name, epochs=3).fit(shop(), OPTIONS).network_.bias
    assert bias[list(COLD.values())].max() < bias[:24].min()


@every_model
def test_the_id_part_of_an_item_without_events_is_exactly_zero(name: str) -> None:
    network = fitted(name).network_
    assert network.content is not None
    with torch.no_grad():
        content = network.content.project(network.content.matrix)
        added = network.item_vectors() - content
    assert (added[list(COLD.values())] == 0).all()
    assert (network.items.weight[list(COLD.values())] == 0).all()
    assert (network.bias[list(COLD.values())] == 0).all()
    assert (added[:24].abs().sum(dim=1) > 0).all()


def test_the_exported_network_scores_alike_and_holds_the_finished_vectors() -> None:
    scorer = fitted("gru4rec").scorer()
    saved = io.BytesIO()
    np.savez(saved, **scorer.to_arrays())
    saved.seek(0)
    loaded = load_scorer(scorer.kind, dict(np.load(saved)), scorer.to_files())
    scores = loaded.score(shop())  # type: ignore[union-attr]
    np.testing.assert_allclose(scores, fitted("gru4rec").score(shop()), rtol=1e-4, atol=1e-5)
    graph = onnx.load_from_string(scorer.to_files()["model.onnx"]).graph
    shapes = {tuple(tensor.dims) for tensor in graph.initializer}
    assert (26, 32) in shapes
    assert (26, 4) not in shapes  # the content itself has stayed at home


@every_model
def test_scores_are_products_with_the_item_vectors(name: str) -> None:
    model = fitted(name)
    products = model.embed(shop()) @ model.item_vectors().T
    np.testing.assert_allclose(products, model.score(shop()), rtol=1e-4, atol=1e-5)


class _Cut(Exception):
    pass


def test_a_fit_that_was_cut_off_ends_with_the_same_weights(tmp_path: Path) -> None:
    def until(last: int) -> FitOptions:
        def on_epoch(epoch: int, model: Any) -> EpochVerdict:
            if epoch > last:
                raise _Cut
            return EpochVerdict(improved=True, stop=False)

        return FitOptions(seed=0, device="cpu", on_epoch=on_epoch, checkpoint=tmp_path)

    whole = with_content("gru4rec", epochs=4).fit(shop(), OPTIONS)
    with pytest.raises(_Cut):
        with_content("gru4rec", epochs=4).fit(shop(), until(2))
    resumed = with_content("gru4rec", epochs=4).fit(shop(), until(9))
    np.testing.assert_array_equal(resumed.score(shop()), whole.score(shop()))


@pytest.mark.parametrize("loss", ["sampled_softmax", "bpr_max", "gbce"])
def test_sampled_losses_learn_from_content_too(loss: str) -> None:
    model = with_content("gru4rec", f"loss@model.loss={loss}").fit(shop(), OPTIONS)
    scores = model.score(shop())
    blue = np.arange(60) % 2 == 0
    assert ((scores[:, COLD["blue"]] > scores[:, COLD["red"]]) == blue).mean() > 0.8


def test_components_do_not_outlive_their_catalogue() -> None:
    before = with_content("gru4rec", epochs=1).fit(shop(), OPTIONS)
    options = FitOptions(seed=0, device="cpu", warm=before.learned_state(shop()))
    with pytest.raises(ConfigError, match="its components mean something else on a longer log"):
        with_content("gru4rec", epochs=1).fit(shop(), options)


def test_terms_are_too_wide_for_a_network() -> None:
    with pytest.raises(ConfigError, match="8 terms, and a network reads a few hundred numbers"):
        GRU4Rec(content=TermContent()).fit(shop(), OPTIONS)


def test_a_catalogue_without_content_says_so() -> None:
    bare = Histories.from_lists(Catalogue(np.array(["a", "b"])), [["a", "b"]])
    with pytest.raises(DataError, match="content needs items with text, category, attributes"):
        GRU4Rec(content=TermContent(components=2)).fit(bare, OPTIONS)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"id_dropout": 1.0}, r"model.id_dropout must be in \[0, 1\), got 1.0"),
        ({"content": "tf_idf_svd"}, "content@model.content=tf_idf_svd chooses one"),
    ],
)
def test_a_wrong_setting_is_one_line(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        GRU4Rec(trainer=Trainer(epochs=1), **settings)
