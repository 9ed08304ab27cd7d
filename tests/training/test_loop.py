"""The loop: what stays, what is recorded, and that an interrupted fit ends like another."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from growthlab.core.errors import ConfigError, DataError
from growthlab.networks.torch_threads import torch_threads
from growthlab.training.eager_adamw import EagerAdamW
from growthlab.training.fit_options import EpochVerdict, FitOptions
from growthlab.training.loop import Trainer, device_of, torch_stream


class Line(NamedTuple):
    x: Tensor
    y: Tensor


def batches(epoch: int) -> Sequence[Line]:
    """Three batches of y = 2x, others in each epoch."""
    with torch_stream(0, "line", epoch):
        points = [torch.randn(16, 3) for _ in range(3)]
    return [Line(x, 2 * x[:, :1]) for x in points]


def loss(network: nn.Module, batch: Line) -> Tensor:
    return (network(batch.x) - batch.y).square().mean()


def new_network() -> nn.Module:
    with torch_stream(0, "weights"):
        return nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.2), nn.Linear(8, 1))


def train(trainer: Trainer, **options: Any) -> tuple[nn.Module, list[float]]:
    network, model = new_network(), SimpleNamespace()
    trainer.run(network, batches, loss, FitOptions(device="cpu", **options), model)
    return network, model.losses_


def weights(network: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in network.parameters()]


def same(left: list[Tensor], right: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


def test_every_epoch_is_run_and_its_loss_recorded() -> None:
    _, losses = train(Trainer(epochs=7, lr=0.05))
    assert len(losses) == 7
    assert losses[-1] < losses[0]


def test_the_options_override_the_number_of_epochs() -> None:
    assert len(train(Trainer(epochs=7), epochs=3)[1]) == 3


def test_the_same_seed_gives_the_same_weights_and_another_gives_others() -> None:
    one, same_again, other = (weights(train(Trainer(epochs=2), seed=s)[0]) for s in (1, 1, 2))
    assert same(one, same_again)
    assert not same(one, other)


def test_torchs_own_random_state_is_left_alone() -> None:
    before = torch.random.get_rng_state()
    train(Trainer(epochs=2))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_last_improved_weights_stay() -> None:
    seen: list[list[Tensor]] = []
    network = new_network()

    def judge(epoch: int, model: Any) -> EpochVerdict:
        assert not network.training
        seen.append(weights(network))
        return EpochVerdict(improved=epoch in (1, 3), stop=epoch == 5)

    options = FitOptions(device="cpu", on_epoch=judge)
    model = SimpleNamespace()
    Trainer(epochs=9).run(network, batches, loss, options, model)
    assert len(model.losses_) == 5
    assert same(weights(network), seen[2])
    assert not same(weights(network), seen[4])


def test_the_loss_of_an_epoch_is_known_when_it_is_evaluated() -> None:
    lengths = []

    def judge(epoch: int, model: Any) -> EpochVerdict:
        lengths.append(len(model.losses_))
        return EpochVerdict(improved=True, stop=False)

    train(Trainer(epochs=3), on_epoch=judge)
    assert lengths == [1, 2, 3]


class Cut(Exception):
    """What an interrupted fit ends with."""


@pytest.mark.parametrize("cut_after", [1, 2, 4])
def test_an_interrupted_fit_ends_like_an_uninterrupted_one(tmp_path: Path, cut_after: int) -> None:
    def judge(epoch: int, model: Any) -> EpochVerdict:
        return EpochVerdict(improved=epoch in (1, 2, 4), stop=epoch == 5)

    def cut(epoch: int, model: Any) -> EpochVerdict:
        if epoch > cut_after:
            raise Cut("cut off")
        return judge(epoch, model)

    trainer = Trainer(epochs=9, lr=0.05)
    expected, losses = train(trainer, on_epoch=judge)
    with pytest.raises(Cut, match="cut off"):
        train(trainer, on_epoch=cut, checkpoint=tmp_path / "fit")
    resumed, resumed_losses = train(trainer, on_epoch=judge, checkpoint=tmp_path / "fit")
    assert resumed_losses == losses
    assert same(weights(resumed), weights(expected))
    assert not (tmp_path / "fit").exists()


def test_an_interrupted_fit_without_judge_ends_with_the_same_last_weights(tmp_path: Path) -> None:
    calls = []

    def cut(epoch: int) -> Sequence[Line]:
        calls.append(epoch)
        if epoch == 3 and calls.count(3) == 1:
            raise KeyboardInterrupt("cut off")
        return batches(epoch)

    options = FitOptions(device="cpu", checkpoint=tmp_path / "fit")
    trainer = Trainer(epochs=4)
    with pytest.raises(KeyboardInterrupt, match="cut off"):
        trainer.run(new_network(), cut, loss, options, SimpleNamespace())
    network = new_network()
    trainer.run(network, cut, loss, options, SimpleNamespace())
    assert calls == [1, 2, 3, 3, 4]
    assert same(weights(network), weights(train(trainer)[0]))


def test_a_checkpoint_of_another_training_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def cut(epoch: int, model: Any) -> EpochVerdict:
        if epoch == 2:
            raise Cut("cut off")
        return EpochVerdict(improved=True, stop=False)

    with pytest.raises(Cut, match="cut off"):
        train(Trainer(epochs=3, lr=0.5), on_epoch=cut, checkpoint=tmp_path)
    network, losses = train(Trainer(epochs=3), checkpoint=tmp_path)
    assert "of another training" in caplog.text
    assert same(weights(network), weights(train(Trainer(epochs=3))[0]))
    assert len(losses) == 3


def cut_off(folder: Path) -> bytes:
    """The checkpoint file of a training that was cut off in its second epoch."""

    def cut(epoch: int, model: Any) -> EpochVerdict:
        if epoch == 2:
            raise Cut("cut off")
        return EpochVerdict(improved=True, stop=False)

    with pytest.raises(Cut, match="cut off"):
        train(Trainer(epochs=3), on_epoch=cut, checkpoint=folder)
    return (folder / "training.npz").read_bytes()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_checkpoint_cut_short_is_passed_over(
    tmp_path: Path, share: float, caplog: pytest.LogCaptureFixture
) -> None:
    content = cut_off(tmp_path)
    (tmp_path / "training.npz").write_bytes(content[: int(share * len(content))])
    network, losses = train(Trainer(epochs=3), checkpoint=tmp_path)
    assert "cannot be read" in caplog.text
    assert len(losses) == 3
    assert same(weights(network), weights(train(Trainer(epochs=3))[0]))


def test_a_checkpoint_with_a_changed_byte_does_no_harm(tmp_path: Path) -> None:
    content = cut_off(tmp_path)
    right = weights(train(Trainer(epochs=3))[0])
    for place in range(0, len(content), max(1, len(content) // 60)):
        damaged = bytearray(content)
        damaged[place] ^= 0x10
        tmp_path.mkdir(exist_ok=True)  # a finished fit takes its folder away
        (tmp_path / "training.npz").write_bytes(damaged)
        assert same(weights(train(Trainer(epochs=3), checkpoint=tmp_path)[0]), right), place


def test_the_callers_own_files_in_the_folder_stay(tmp_path: Path) -> None:
    (tmp_path / "watch.json").write_text("{}")
    train(Trainer(epochs=1), checkpoint=tmp_path)
    assert [f.name for f in tmp_path.iterdir()] == ["watch.json"]


def test_a_loss_that_is_not_finite_is_one_clear_line() -> None:
    with pytest.raises(ConfigError, match=r"loss of epoch 1 is (nan|inf): lower trainer\.lr"):
        Trainer(epochs=3).run(
            new_network(),
            batches,
            lambda network, batch: loss(network, batch) * float("inf"),
            FitOptions(device="cpu"),
            SimpleNamespace(),
        )


def test_no_batches_is_one_clear_line() -> None:
    with pytest.raises(DataError, match="nothing to learn from"):
        Trainer().run(
            new_network(), lambda epoch: [], loss, FitOptions(device="cpu"), SimpleNamespace()
        )


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("epochs", 0),
        ("patience", 0),
        ("batch", 0),
        ("lr", 0.0),
        ("l2", -1.0),
        ("clip", 0.0),
        ("last_lr", 0.0),
        ("last_lr", 1.5),
        ("threads", 0),
        ("processes", 0),
    ],
)
def test_values_out_of_range_are_refused(setting: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"trainer\.{setting} must"):
        Trainer(**{setting: value})  # type: ignore[arg-type]


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Torch shares a step between two threads, as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_a_step_is_shared_by_no_more_threads_than_wanted() -> None:
    used: list[int] = []

    def loss(network: nn.Module, batch: Line) -> Tensor:
        used.append(torch.get_num_threads())
        return (network(batch.x) - batch.y).square().mean()

    model = SimpleNamespace()
    Trainer(epochs=1, threads=1).run(
        nn.Linear(3, 1), batches, loss, FitOptions(device="cpu"), model
    )
    Trainer(epochs=1).run(nn.Linear(3, 1), batches, loss, FitOptions(device="cpu"), model)
    assert used == [1, 1, 1, 2, 2, 2]
    with torch_threads(5):
        assert torch.get_num_threads() == 2


def test_devices_by_name() -> None:
    assert device_of("cpu").type == "cpu"
    assert device_of("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(ConfigError, match="device=gpu0: possible: auto, cpu, cuda"):
        device_of("gpu0")


def test_clipping_bounds_the_step() -> None:
    def steep(network: nn.Module, batch: Line) -> Tensor:
        return 1e6 * loss(network, batch)

    def gradients_after(clip: float | None) -> float:
        network = new_network()
        Trainer(epochs=1, clip=clip).run(
            network, batches, steep, FitOptions(device="cpu"), SimpleNamespace()
        )
        return sum(p.grad.square().sum().item() for p in network.parameters() if p.grad is not None)

    assert gradients_after(0.5) == pytest.approx(0.25, rel=1e-3)
    assert gradients_after(None) > 1e6


def test_the_learning_rate_goes_down_in_a_straight_line_and_then_stays() -> None:
    trainer = Trainer(epochs=5, lr=0.1, last_lr=0.2)
    # from 0.1 to 0.02 in four equal steps of 0.02; a longer run keeps the last
    assert [trainer.lr_at(n) for n in range(1, 7)] == pytest.approx(
        [0.1, 0.08, 0.06, 0.04, 0.02, 0.02]
    )


def test_a_constant_learning_rate_is_the_default() -> None:
    assert Trainer(epochs=3, lr=0.1).lr_at(3) == 0.1


def test_the_optimiser_steps_as_torchs_to_the_last_bit() -> None:
    ends = []
    for kind in (torch.optim.AdamW, EagerAdamW):
        layer = new_network().eval()
        optimiser = kind(layer.parameters(), lr=0.1, weight_decay=0.01, fused=True)
        for batch in batches(1):
            optimiser.zero_grad()
            (layer(batch.x) - batch.y).square().mean().backward()
            optimiser.step()
        again = kind(layer.parameters(), lr=0.1, weight_decay=0.01, fused=True)
        again.load_state_dict(optimiser.state_dict())
        again.step()
        ends.append(weights(layer))
    assert same(*ends)


def test_a_training_does_not_load_the_compiler_of_torch() -> None:
    script = (
        "import sys, torch; from growthlab.training.loop import Trainer; layer = torch.nn.Linear(3, 1)\n"
        "optimiser = Trainer()._optimiser(layer, torch.device('cpu'))\n"
        "layer(torch.ones(2, 3)).sum().backward(); optimiser.step(); optimiser.zero_grad()\n"
        "print(len(optimiser.state_dict()['state']), 'torch._dynamo' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["2", "False"]
