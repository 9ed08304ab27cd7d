"""Several processes train one network: the same losses as one, and a killed one ends them all."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from growthlab.core.errors import ConfigError
from growthlab.core.histories import Catalogue, Histories
from growthlab.models.recommend.gru4rec import GRU4Rec
from growthlab.models.recommend.neumf import NeuMF
from growthlab.models.recommend.sasrec import SASRec
from growthlab.networks.losses.cross_entropy import CrossEntropy
from growthlab.networks.losses.gbce import GBCE
from growthlab.training import packing
from growthlab.training.fit_options import EpochVerdict, FitOptions
from growthlab.training.loop import Trainer
from growthlab.training.packing import packed, unpacked
from growthlab.training.processes import LostProcessError, check_devices

N_ITEMS = 40


@pytest.fixture(scope="module")
def past() -> Histories:
    """41 users with 2 to 19 events of 40 items, two at a time."""
    random = np.random.default_rng(3)
    lengths = random.integers(3, 20, 41)
    return Histories.from_events(
        Catalogue(np.array([f"i{i:03d}" for i in range(N_ITEMS)])),
        np.array([f"u{i}" for i in range(41)]),
        np.repeat(np.arange(41), lengths),
        random.integers(0, N_ITEMS, lengths.sum()),
        np.concatenate([np.arange(n) // 2 for n in lengths]),
    )


def trainer(processes: int, batch: int = 16) -> Trainer:
    return Trainer(epochs=3, lr=0.01, batch=batch, processes=processes)


def gru4rec(processes: int) -> GRU4Rec:
    return GRU4Rec(width=16, state=24, loss=CrossEntropy("float32"), trainer=trainer(processes))


def sasrec(processes: int) -> SASRec:
    return SASRec(width=16, blocks=1, loss=GBCE(negatives=8), trainer=trainer(processes))


def neumf(processes: int) -> NeuMF:
    return NeuMF(factors=8, layers=(16, 8), dropout=0.2, trainer=trainer(processes, batch=65))


def judge(epoch: int, model: Any) -> EpochVerdict:
    """The second epoch is the best of three."""
    return EpochVerdict(improved=epoch < 3, stop=False)


def children() -> list[psutil.Process]:
    """The training processes of this one."""
    own = psutil.Process().children()
    return [p for p in own if "growthlab.training.worker" in " ".join(p.cmdline())]


def assert_same_fit(model: Any, expected: Any, past: Histories) -> None:
    np.testing.assert_allclose(model.losses_, expected.losses_, rtol=0, atol=1e-5)
    np.testing.assert_allclose(model.score(past), expected.score(past), rtol=0, atol=1e-3)


@pytest.mark.parametrize("new", [sasrec, neumf])
def test_two_processes_learn_what_one_does(new: Any, past: Histories) -> None:
    options = FitOptions(device="cpu", on_epoch=judge)
    one, two = (new(n).fit(past, options) for n in (1, 2))
    assert_same_fit(two, one, past)


def test_a_killed_process_ends_the_others_and_the_fit_goes_on_after_its_last_epoch(
    past: Histories, tmp_path: Path
) -> None:
    begun = []

    def kill(epoch: int, model: Any) -> EpochVerdict:
        begun.append(epoch)
        if epoch == 2:
            last = max(children(), key=lambda p: p.environ()["RANK"])
            os.kill(last.pid, signal.SIGKILL)
        return judge(epoch, model)

    options = FitOptions(device="cpu", on_epoch=kill, checkpoint=tmp_path / "fit")
    with pytest.raises(LostProcessError, match="process 2 of 2 of the training was killed by SIGK"):
        gru4rec(2).fit(past, options)
    assert begun == [1, 2]
    assert children() == []
    assert (tmp_path / "fit" / "training.npz").exists()

    def going_on(epoch: int, model: Any) -> EpochVerdict:
        begun.append(epoch)
        return judge(epoch, model)

    options = FitOptions(device="cpu", on_epoch=going_on, checkpoint=tmp_path / "fit")
    resumed = gru4rec(2).fit(past, options)
    assert begun[2] in (2, 3)  # the checkpoint of epoch 2 may have been written before the kill
    assert begun[-1] == 3
    assert not (tmp_path / "fit").exists()
    expected = gru4rec(1).fit(past, FitOptions(device="cpu", on_epoch=judge))
    assert_same_fit(resumed, expected, past)


def test_a_mistake_that_a_process_finds_is_that_mistake(past: Histories) -> None:
    model = NeuMF(trainer=Trainer(lr=1e30, clip=None, batch=99, processes=2))
    with pytest.raises(ConfigError, match=r"loss of epoch 1 is (nan|inf): lower trainer\.lr"):
        model.fit(past, FitOptions(device="cpu"))
    assert children() == []


def test_large_arrays_are_files_and_all_else_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "LARGE", 100)
    layer = torch.nn.Linear(7, 9)
    large, small = np.arange(100.0), np.array(["a", "b"])
    again, mapped, words = unpacked(packed((layer, large, small), tmp_path))
    assert len(list(tmp_path.iterdir())) == 2  # the weights and the large array
    assert torch.equal(again.weight, layer.weight)
    assert again.weight.requires_grad
    with torch.no_grad():
        again.weight.zero_()  # in this process alone
    assert layer.weight.abs().sum() > 0
    np.testing.assert_array_equal(mapped, large)
    np.testing.assert_array_equal(words, small)


def test_fewer_gpus_than_processes_are_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    check_devices(torch.device("cpu"), 4)
    check_devices(torch.device("cuda"), 2)
    with pytest.raises(
        ConfigError, match=r"processes=4 needs as many GPUs, here are 2: trainer\.p"
    ):
        check_devices(torch.device("cuda"), 4)
    with pytest.raises(ConfigError, match="device=cuda:1 is one GPU"):
        check_devices(torch.device("cuda:1"), 2)
