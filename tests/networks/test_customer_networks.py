"""Networks of customers: losses by hand, histories read as they happened."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from growthlab.networks.hazard_network import HazardNetwork, hazard_loss, log_facts
from growthlab.networks.ziln_network import ZILNNetwork, ziln_loss
from growthlab.scorers.onnx_row_scorer import ABSENT, survival, ziln_mean
from growthlab.training.loop import torch_stream


def test_golden_values_of_ziln() -> None:
    """Of the authors' own test: logit, mu and s of two customers, one of whom spends nothing."""
    outputs = torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    assert float(ziln_loss(outputs[:1], torch.zeros(1))) == pytest.approx(0.744397, abs=1e-6)
    assert float(ziln_loss(outputs[1:], torch.tensor([1.5]))) == pytest.approx(1.878373, abs=1e-6)
    mean = ziln_mean(outputs.double().numpy(), np.inf)
    assert mean == pytest.approx([0.923638, 1.690755], abs=1e-6)


def test_the_gradient_of_ziln_is_finite_where_nothing_is_spent() -> None:
    outputs = torch.tensor([[0.1, 0.2, -40.0], [0.4, 50.0, 0.6]], requires_grad=True)
    ziln_loss(outputs, torch.tensor([0.0, 3.0])).backward()
    assert outputs.grad is not None
    assert torch.isfinite(outputs.grad).all()


def test_an_amount_of_ziln_is_kept_at_the_ceiling() -> None:
    assert ziln_mean(np.array([[0.0, 800.0, 60.0]]), 250.0) == pytest.approx([125.0])


def test_the_ziln_network_starts_from_what_all_customers_do() -> None:
    with torch_stream(0, "ziln"):
        network = ZILNNetwork(4, [8], 0.0, share=0.25, mean=3.0, sd=0.5).eval()
    (row,) = network(torch.randn(1, 4)).detach().double().numpy()
    assert 1 / (1 + math.exp(-row[0])) == pytest.approx(0.25, abs=1e-6)
    assert row[1] == pytest.approx(3.0)
    assert math.log1p(math.exp(row[2])) == pytest.approx(0.5, abs=1e-6)


HAZARDS = np.array([0.1, 0.2, 0.15])
LOGITS = np.log(HAZARDS / (1 - HAZARDS))


def test_golden_values_of_the_discrete_hazard() -> None:
    kept = [float(survival(LOGITS[None, :k], np.inf)[0]) for k in (1, 2, 3)]
    assert kept == pytest.approx([0.9, 0.72, 0.612])


@pytest.mark.parametrize(
    ("interval", "likelihood"), [(0, 0.1), (1, 0.9 * 0.2), (2, 0.9 * 0.8 * 0.15), (3, 0.612)]
)
def test_the_hazard_loss_is_the_likelihood_of_the_interval(
    interval: int, likelihood: float
) -> None:
    """An event in the interval, survival of those before it, and nothing of those after it."""
    loss = hazard_loss(torch.tensor(LOGITS[None]), torch.tensor([interval]))
    assert float(loss) == pytest.approx(-math.log(likelihood), abs=1e-6)


def network(n_facts: int = 5) -> HazardNetwork:
    """An untrained network whose output depends on its inputs."""
    with torch_stream(1, "hazard"):
        made = HazardNetwork(
            torch.zeros(n_facts + 1),
            torch.ones(n_facts + 1),
            2,
            torch.zeros(3),
            width=6,
            layers=1,
            hidden=4,
            dropout=0.5,
        ).eval()
        torch.nn.init.normal_(made.tower.output.weight)
    return made


def steps_of(*agos: float, room: int = 6) -> torch.Tensor:
    """A history of days so long ago, newest first, each with its place as every other fact."""
    steps = torch.full((1, room, 5), ABSENT)
    for place, ago in enumerate(agos):
        steps[0, place] = torch.tensor([ago, 1.0, float(place), 0.0, 0.0])
    return steps


def test_room_for_more_steps_changes_nothing() -> None:
    features = torch.ones(1, 2)
    short = network()(steps_of(3, 9, 20, room=3), features)
    torch.testing.assert_close(network()(steps_of(3, 9, 20, room=6), features), short)


def test_the_newest_day_is_read_last_as_a_plain_recurrent_unit_would() -> None:
    made = network()
    facts = log_facts(steps_of(3, 9, 20, room=3))[0].flip(0)[None]  # oldest first
    assert facts[0, :, 5].tolist() == pytest.approx([0, math.log1p(11), math.log1p(6)])
    states, _ = made.gru(facts)
    torch.testing.assert_close(made._last_state(steps_of(3, 9, 20)), states[:, -1])


def test_the_order_of_days_matters_and_no_history_is_a_state_of_zero() -> None:
    made, features = network(), torch.ones(1, 2)
    assert not torch.allclose(
        made(steps_of(1, 2, 30), features), made(steps_of(1, 29, 30), features)
    )
    assert made._last_state(steps_of()).tolist() == [[0.0] * 6]
