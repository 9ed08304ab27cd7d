"""Products in bfloat16: nearly the same losses, and weights in float32."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from growthlab.core.errors import ConfigError
from growthlab.core.histories import Catalogue, Histories
from growthlab.models.recommend.gru4rec import GRU4Rec
from growthlab.models.recommend.sasrec import SASRec
from growthlab.networks.losses.cross_entropy import CrossEntropy
from growthlab.training.fit_options import FitOptions
from growthlab.training.loop import Trainer


@pytest.fixture(scope="module")
def past() -> Histories:
    """30 users who go on from item to item in turn."""
    rows, steps = np.divmod(np.arange(300), 10)
    return Histories.from_events(
        Catalogue(np.array([f"i{i:02d}" for i in range(20)])),
        np.array([f"u{i:02d}" for i in range(30)]),
        rows,
        (rows + steps) % 20,
        steps,
    )


@pytest.mark.parametrize("kind", [GRU4Rec, SASRec])
def test_half_the_bits_change_the_losses_little(kind: type, past: Histories) -> None:
    def fitted(precision: str) -> GRU4Rec | SASRec:
        trainer = Trainer(epochs=4, lr=0.02, batch=10, precision=precision)
        loss = CrossEntropy("float32")
        made: GRU4Rec | SASRec = kind(width=16, loss=loss, trainer=trainer)
        return made.fit(past, FitOptions(device="cpu"))

    exact, mixed, auto = map(fitted, ("float32", "bfloat16", "auto"))
    assert auto.losses_ == exact.losses_  # on a CPU
    assert mixed.losses_ != exact.losses_
    np.testing.assert_allclose(mixed.losses_, exact.losses_, rtol=0.02)
    assert {p.dtype for p in mixed.network_.parameters()} == {torch.float32}
    assert mixed.score(past).dtype == np.float32


def test_another_precision_is_one_clear_line() -> None:
    with pytest.raises(ConfigError, match=r"trainer\.precision=half: possible: auto, float32, bf"):
        Trainer(precision="half")
