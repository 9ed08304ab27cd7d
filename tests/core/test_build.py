"""A config node becomes an object, or one line that says why it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from omegaconf import OmegaConf

from growthlab.core.build import build
from growthlab.core.errors import ConfigError
from growthlab.core.library_estimators import SklearnClassifier
from growthlab.core.plain_types import argument_types, type_mismatch
from growthlab.models.base import Recommender
from growthlab.models.recommend.gru4rec import GRU4Rec
from growthlab.models.recommend.item_knn import ItemKNN
from growthlab.training.loop import Trainer

KNN = "growthlab.models.recommend.item_knn.ItemKNN"
GRU = "growthlab.models.recommend.gru4rec.GRU4Rec"
TRAINER = "growthlab.training.loop.Trainer"


def test_keys_are_arguments_of_the_target() -> None:
    model = build({"_target_": KNN, "neighbours": 7}, Recommender)
    assert isinstance(model, ItemKNN)
    assert model.neighbours == 7


def test_a_nested_node_is_built_first() -> None:
    trainer = {"_target_": TRAINER, "epochs": 3}
    model = build({"_target_": GRU, "width": 8, "trainer": trainer}, Recommender)
    assert isinstance(model, GRU4Rec)
    assert isinstance(model.trainer, Trainer)
    assert model.trainer.epochs == 3


def test_a_node_of_a_config_knows_its_place() -> None:
    config = OmegaConf.create({"model": {"_target_": KNN, "neighbours": "many"}})
    with pytest.raises(ConfigError, match=r"model\.neighbours must be a whole number or null"):
        build(config.model, Recommender)


def test_each_call_makes_a_fresh_object() -> None:
    node = {"_target_": KNN}
    assert build(node, Recommender) is not build(node, Recommender)


@pytest.mark.parametrize(
    ("node", "line"),
    [
        ({"neighbours": 3}, r"model has no _target_: its keys are \['neighbours'\]"),
        (
            {"_target_": "os.system"},
            "model._target_=os.system cannot be used here: possible are classes that fulfil "
            "Recommender in growthlab.models, or classifiers of scikit-learn and LightGBM",
        ),
        ({"_target_": "growthlabs.x.Y"}, "cannot be used here"),
        ({"_target_": "growthlab.models.Nope"}, "cannot be used here"),
        ({"_target_": "growthlab.models.nowhere.Nope"}, "cannot be used here"),
        ({"_target_": KNN, "neighbors": 3}, "model.neighbors: .* did you mean neighbours"),
        ({"_target_": KNN, "neighbours": 0}, "model: neighbours must be 1 or more"),
        ({"_target_": KNN, "normalize": 1}, "model.normalize must be true or false, got 1"),
        ({"_target_": KNN, "similarity": 3}, "model.similarity must be a text, got 3"),
        ({"_target_": KNN, "event_weights": 3}, "model.event_weights must be a mapping"),
        (
            {"_target_": GRU, "trainer": {"_target_": TRAINER, "epochs": 1.5}},
            "model.trainer.epochs must be a whole number, got 1.5",
        ),
        (
            {"_target_": GRU, "trainer": {"_target_": TRAINER, "epoch": 1}},
            "model.trainer.epoch: .* did you mean epochs",
        ),
        ({"_target_": GRU, "trainer": "fast"}, "model.trainer must be settings"),
        (
            {"_target_": GRU, "trainer": {"_target_": "os.system", "command": "x"}},
            r"model.trainer._target_=os.system cannot be used here: possible are classes that fulfil Trainer",
        ),
        (
            {"_target_": KNN, "event_weights": {"view": [{"_target_": "builtins.exec"}]}},
            "_target_=builtins.exec cannot be used here: possible are nothing: this setting takes plain",
        ),
        (
            {"_target_": "sklearn.linear_model.LogisticRegression", "C": "big"},
            "model: The 'C' parameter of LogisticRegression must be a float",
        ),
        (
            {"_target_": "sklearn.linear_model.LogisticRegression", "c": 1},
            "model.c: .* has no setting c",
        ),
    ],
)
def test_mistakes_are_one_line(node: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=line) as caught:
        build(node, Recommender | SklearnClassifier, "model")
    assert "\n" not in str(caught.value)


@dataclass
class Parent:
    """Its annotations are inherited."""

    size: int = 1


@dataclass
class Child(Parent):
    """Every kind of annotation that is judged."""

    share: float = 0.5
    names: tuple[str, ...] = ()
    sizes: list[int] | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    way: Literal["up", "down"] = "up"
    inner: Parent | None = None
    anything: Any = None


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("size", 3, ""),
        ("size", 3.0, "a whole number"),
        ("size", True, "a whole number"),
        ("size", None, "a whole number"),
        ("share", 1, ""),
        ("share", "1", "a number"),
        ("share", False, "a number"),
        ("names", ["a"], ""),
        ("names", "a", "a list such as [a, b]"),
        ("names", [1], "a list such as [a, b]"),
        ("sizes", None, ""),
        ("sizes", [1, 2], ""),
        ("sizes", [1, "x"], "a list such as [a, b] or null"),
        ("weights", {"a": 1}, ""),
        ("weights", [1], "a mapping {name: value}"),
        ("way", "down", ""),
        ("way", "left", "up or down"),
        ("inner", None, ""),
        ("inner", {"_target_": "x"}, ""),
        ("inner", 3, "settings with names of their own or null"),
        ("anything", object(), ""),
    ],
)
def test_a_value_fits_its_annotation_or_the_message_says_what_it_should_be(
    name: str, value: Any, said: str
) -> None:
    assert type_mismatch(value, argument_types(Child)[name]) == said


def test_an_annotation_that_cannot_be_read_is_left_out() -> None:
    def made(size: int, other: Unheard) -> None:  # type: ignore[name-defined]  # noqa: F821
        pass

    assert argument_types(made) == {"size": int, "return": type(None)}


def test_a_target_without_annotations_is_not_checked() -> None:
    assert argument_types(dict) == {}
