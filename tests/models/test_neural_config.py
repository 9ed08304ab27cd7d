"""The yaml of the networks and their trainer says what the classes say."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from growthlab.core.build import build
from growthlab.models.base import Recommender
from growthlab.models.recommend.caser import Caser
from growthlab.models.recommend.gru4rec import GRU4Rec
from growthlab.models.recommend.neumf import NeuMF
from growthlab.models.recommend.nextitnet import NextItNet
from growthlab.models.recommend.sasrec import SASRec
from growthlab.training.loop import Trainer

CONF = Path(__file__).parents[2] / "conf"


def test_the_default_trainer_is_the_class_with_its_defaults() -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        node = compose(overrides=["+trainer=default"]).trainer
    assert build(node, Trainer) == Trainer()


def test_a_models_trainer_is_set_through_the_model() -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        node = compose(overrides=["+model=recommend/gru4rec", "model.trainer.epochs=7"]).model
    assert build(node, Recommender).trainer.epochs == 7


@pytest.mark.parametrize("model", [GRU4Rec, Caser, SASRec, NextItNet, NeuMF])
def test_a_networks_yaml_says_what_its_signature_says(model: type) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        node = compose(overrides=[f"+model=recommend/{model.__name__.lower()}"]).model
    built, default = build(node, Recommender), model()
    for setting in fields(default):
        written, known = (getattr(m, setting.name) for m in (built, default))
        as_list = isinstance(known, tuple)
        assert (tuple(written) if as_list else written) == known, setting.name
