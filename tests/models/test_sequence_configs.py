"""What every sequence model of the config tree has to keep, and every loss with it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

from growthlab.core.build import build
from growthlab.core.histories import Catalogue, Histories
from growthlab.models.base import Recommender
from growthlab.models.sequence_recommender import SequenceRecommender
from growthlab.networks.sequence_network import SequenceNetwork
from growthlab.training.fit_options import EpochVerdict, FitOptions
from growthlab.training.loop import torch_stream

CONF = Path(__file__).parents[2] / "conf"
YAMLS = sorted((CONF / "model" / "recommend").glob("*.yaml"))
NAMES = [p.stem for p in YAMLS if "/loss@loss" in p.read_text()]
LOSSES = sorted(path.stem for path in (CONF / "loss").glob("*.yaml"))
N_ITEMS = 30
every_model = pytest.mark.parametrize("name", NAMES)
every_loss = pytest.mark.parametrize("loss", LOSSES)


def model_of(name: str, *words: str) -> SequenceRecommender:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        node = compose(overrides=[f"+model=recommend/{name}", *words]).model
    model: SequenceRecommender = build(node, Recommender)
    return model


@cache
def network_of(name: str) -> SequenceNetwork:
    """The untrained network, none of whose weights is zero."""
    with torch_stream(0, "test"):
        network = model_of(name).build(N_ITEMS, 10)
        for parameter in network.parameters():
            parameter.detach().add_(0.05 * torch.randn_like(parameter))
    return network.eval()


def states(network: SequenceNetwork, items: list[int]) -> torch.Tensor:
    """The states of one user with baskets of one item each, (S, D)."""
    n, codes = len(items), torch.tensor(items)
    return network.states(codes, torch.zeros_like(codes), torch.arange(n), torch.ones(1, n))[0]


def test_there_are_such_models() -> None:
    assert {"gru4rec", "caser", "nextitnet", "sasrec"} <= set(NAMES)


@every_model
@pytest.mark.parametrize("step", [1, 2, 17, 39])
def test_a_step_changes_no_state_before_it(name: str, step: int) -> None:
    history = np.random.default_rng(0).integers(N_ITEMS, size=40).tolist()
    other = [*history[:step], (history[step] + 1) % N_ITEMS, *history[step + 1 :]]
    with torch.no_grad():
        before, after = (states(network_of(name), x) for x in (history, other))
    assert torch.equal(before[:step], after[:step])
    assert not torch.allclose(before[step], after[step])


@every_model
def test_a_score_depends_on_the_reach_and_on_no_more(name: str) -> None:
    """Histories that differ only before the latest `reach` baskets end in the same state."""
    model, network = model_of(name), network_of(name)
    latest = np.random.default_rng(1).integers(N_ITEMS, size=model.reach).tolist()
    if model.reach == model.length:
        pytest.skip("no more than `length` baskets are ever read")
    with torch.no_grad():
        one, other = (states(network, [*head, *latest])[-1] for head in ([3, 4], [5, 6]))
    assert torch.equal(one, other)


def chains(n_users: int = 200, length: int = 3) -> Histories:
    """Users who go a little way round twelve items, each from another one."""
    start = np.random.default_rng(0).integers(12, size=n_users)
    items = (start[:, None] + np.arange(length)) % 12
    catalogue = Catalogue(np.array([f"i{i:02d}" for i in range(12)]))
    rows, times = np.repeat(np.arange(n_users), length), np.tile(np.arange(length), n_users)
    user_ids = np.array([f"u{u:02d}" for u in range(n_users)])
    return Histories.from_events(catalogue, user_ids, rows, items.ravel(), times)


def of_chains(name: str, loss: str, epochs: int) -> SequenceRecommender:
    few = [] if loss == "cross_entropy" else ["model.loss.negatives=8"]
    trainer = [f"model.trainer.epochs={epochs}", "model.trainer.batch=8", "model.trainer.lr=0.01"]
    return model_of(name, f"loss@model.loss={loss}", *few, *trainer)


@every_loss
def test_each_loss_learns_what_comes_next(loss: str) -> None:
    past = chains()
    model = of_chains("gru4rec", loss, epochs=20).fit(past, FitOptions(device="cpu"))
    items = (np.arange(12)[:, None] + np.arange(2)) % 12
    ids = past.catalogue.item_ids[items].tolist()
    scores = model.score(Histories.from_lists(past.catalogue, ids))
    np.put_along_axis(scores, items, -np.inf, axis=1)  # what one has is never a negative of gBCE
    assert (scores.argmax(axis=1) == (np.arange(12) + 2) % 12).mean() > 0.9


@every_model
@every_loss
def test_an_interrupted_fit_goes_on_with_the_same_draws(
    name: str, loss: str, tmp_path: Path
) -> None:
    def cut(epoch: int, model: object) -> EpochVerdict:
        if epoch == 1:
            raise KeyboardInterrupt("cut off")
        return EpochVerdict(improved=True, stop=False)

    past, folder = chains(40), tmp_path / "fit"
    options = FitOptions(device="cpu", checkpoint=folder)
    with pytest.raises(KeyboardInterrupt, match="cut off"):
        of_chains(name, loss, 2).fit(
            past, FitOptions(device="cpu", on_epoch=cut, checkpoint=folder)
        )
    resumed = of_chains(name, loss, 2).fit(past, options)
    whole = of_chains(name, loss, 2).fit(past, FitOptions(device="cpu"))
    assert resumed.losses_ == whole.losses_
    np.testing.assert_array_equal(resumed.score(past), whole.score(past))


@every_model
@pytest.mark.parametrize("length", [1, 2])
def test_a_model_of_short_windows_can_be_exported(name: str, length: int) -> None:
    past = Histories.from_lists(
        Catalogue(np.array(list("abcd"))), [list("abcd"), list("badc"), list("ab")]
    )
    model = model_of(name, f"model.length={length}", "model.trainer.epochs=1")
    model.fit(past, FitOptions(device="cpu"))
    np.testing.assert_allclose(model.scorer().score(past), model.score(past), rtol=1e-4, atol=1e-5)
