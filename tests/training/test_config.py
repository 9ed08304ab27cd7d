"""The yaml of the trainer says what the class says."""

from __future__ import annotations

from pathlib import Path

from hydra import compose, initialize_config_dir

from growthlab.core.build import build
from growthlab.training.loop import Trainer

CONF = Path(__file__).parents[2] / "conf"


def test_the_default_trainer_is_the_class_with_its_defaults() -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        node = compose(overrides=["+trainer=default"]).trainer
    assert build(node) == Trainer()


def test_a_models_trainer_is_set_through_the_model() -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        node = compose(overrides=["+model=recommend/gru4rec", "model.trainer.epochs=7"]).model
    assert build(node).trainer.epochs == 7
