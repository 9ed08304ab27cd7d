"""What every sequence network has to keep: time's arrow, padding, baskets, and repeatable scores."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from growthlab.networks.gru_network import GRUNetwork, initialise
from growthlab.networks.sequence_network import SequenceNetwork
from growthlab.networks.to_onnx import to_onnx
from growthlab.training.loop import torch_stream

from .conftest import N_ITEMS, Inputs, gru, nextitnet

Make = Callable[..., Inputs]
INPUTS = ("items", "event_types", "slots", "sizes")


def test_a_later_item_changes_no_earlier_state(network: SequenceNetwork, sequences: Make) -> None:
    before = network.states(*sequences([3, 1, 4, 1, 5, 9]))
    after = network.states(*sequences([3, 1, 4, 1, 2, 6]))
    assert torch.equal(before[:, :4], after[:, :4])
    assert not torch.allclose(before[:, 4:], after[:, 4:])


def test_a_past_item_changes_the_score(network: SequenceNetwork, sequences: Make) -> None:
    assert not torch.allclose(network(*sequences([3, 1, 4])), network(*sequences([3, 2, 4])))


def test_padding_does_not_change_the_score(network: SequenceNetwork, sequences: Make) -> None:
    alone = network(*sequences([3, 1]))
    padded = network(*sequences([3, 1], n_steps=9))
    beside = network(*sequences([7, 7, 7, 7, 7], [3, 1]))[1:]
    torch.testing.assert_close(padded, alone)
    torch.testing.assert_close(beside, alone)


def test_no_state_passes_from_one_user_to_the_next(
    network: SequenceNetwork, sequences: Make
) -> None:
    # one user after another in the same row of two batches, and both in one batch, give the same
    network(*sequences([9, 9, 9]))
    second = network(*sequences([3, 1]))
    torch.testing.assert_close(network(*sequences([9, 9, 9], [3, 1]))[1:], second)


def test_the_state_is_carried_through_the_whole_history(sequences: Make) -> None:
    network = gru().eval()
    early = network(*sequences([3, *[1] * 6]))
    assert not torch.allclose(early, network(*sequences([4, *[1] * 6])), atol=1e-6)


def test_users_in_another_order_get_the_same_scores(
    network: SequenceNetwork, sequences: Make
) -> None:
    users = [[3, 1], [4, 1, 5, 9], [2], [6, 5, 3]]
    order = [2, 0, 3, 1]
    scores = network(*sequences(*users))
    torch.testing.assert_close(network(*sequences(*[users[i] for i in order])), scores[order])


def test_evaluation_is_repeatable_and_training_is_not(
    network: SequenceNetwork, sequences: Make
) -> None:
    inputs = sequences([3, 1, 4])
    assert torch.equal(network(*inputs), network(*inputs))
    network.train()
    with torch_stream(0, "dropout"):
        assert not torch.equal(network(*inputs), network(*inputs))


def test_the_order_inside_a_basket_does_not_matter(network: SequenceNetwork) -> None:
    # steps {1, 2, 3} and {4, 5}; the same events listed in another order
    slots, sizes = torch.tensor([0, 0, 0, 1, 1]), torch.tensor([[3.0, 2.0]])
    types = torch.zeros(5, dtype=torch.int64)
    one = network(torch.tensor([1, 2, 3, 4, 5]), types, slots, sizes)
    other = network(torch.tensor([3, 1, 2, 5, 4]), types, slots, sizes)
    torch.testing.assert_close(other, one)


def test_the_type_of_an_event_matters_once_it_is_learned(
    network: SequenceNetwork, sequences: Make
) -> None:
    items, types, slots, sizes = sequences([3, 1])
    as_view = network(items, types, slots, sizes)
    torch.testing.assert_close(network(items, types + 4, slots, sizes), as_view)
    assert network.event_types is not None
    network.event_types.weight.detach()[4] = torch.linspace(-1, 1, 8)
    assert not torch.allclose(network(items, types + 4, slots, sizes), as_view)


def test_scores_cover_the_items_and_nothing_for_padding(
    network: SequenceNetwork, sequences: Make
) -> None:
    assert network(*sequences([3], [1, 2])).shape == (2, N_ITEMS)


def test_the_drop_probability_is_the_share_that_is_dropped() -> None:
    network = gru(dropout=0.8).train()
    with torch_stream(0, "dropout"):
        dropped = network.input_dropout(torch.ones(10_000)) == 0
    assert dropped.float().mean().item() == pytest.approx(0.8, abs=0.02)


def test_dropout_on_the_output_works_with_one_layer(sequences: Make) -> None:
    network = gru(dropout=0.0, output_dropout=0.5).train()
    inputs = sequences([3, 1, 4])
    with torch_stream(0, "dropout"):
        assert not torch.equal(network(*inputs), network(*inputs))


def test_dropout_on_the_input_reaches_the_states(sequences: Make) -> None:
    network = gru(dropout=0.5, output_dropout=0.0).train()
    inputs = sequences([3, 1, 4])
    with torch_stream(0, "dropout"):
        assert not torch.equal(network(*inputs), network(*inputs))


def test_gates_start_within_glorots_bound_and_biases_at_zero() -> None:
    recurrent = nn.GRU(8, 12)
    initialise(recurrent)
    bound = (6 / (8 + 12)) ** 0.5  # each gate maps 8 to 12
    largest = recurrent.weight_ih_l0.abs().max().item()
    assert 0.9 * bound < largest <= bound
    assert (recurrent.bias_ih_l0 == 0).all()
    assert (recurrent.bias_hh_l0 == 0).all()


def test_the_recurrence_is_the_published_one(sequences: Make) -> None:
    """Cho et al., EMNLP 2014, in torch's form: n = tanh(W x + r * (U h)), h' = (1 - z) n + z h."""
    network: GRUNetwork = gru(dropout=0.0, output_dropout=0.0, n_event_types=0).eval()
    weight = {n: p.detach().numpy() for n, p in network.gru.named_parameters()}
    hidden = np.zeros(12)
    for item in (3, 1, 4):
        x = network.items.weight[item].detach().numpy()
        r_in, z_in, n_in = np.split(weight["weight_ih_l0"] @ x + weight["bias_ih_l0"], 3)
        r_h, z_h, n_h = np.split(weight["weight_hh_l0"] @ hidden + weight["bias_hh_l0"], 3)
        reset, update = 1 / (1 + np.exp(-r_in - r_h)), 1 / (1 + np.exp(-z_in - z_h))
        hidden = (1 - update) * np.tanh(n_in + reset * n_h) + update * hidden
    expected = network.project.weight.detach().numpy() @ hidden
    state = network.last_state(*sequences([3, 1, 4]))[0].detach().numpy()
    np.testing.assert_allclose(state, expected, atol=1e-6)


def test_caser_convolves_each_window_as_the_paper_does(sequences: Make) -> None:
    from .conftest import caser

    network = caser(n_event_types=0).eval()
    history = [3, 1, 4, 1, 5]
    states = network.states(*sequences(history))[0]
    vectors = network.items.weight.detach()
    for step in range(len(history)):
        image = torch.zeros(3, 8)  # the window of 3 ends at the step, zero rows on its left
        window = history[max(0, step - 2) : step + 1]
        image[3 - len(window) :] = vectors[window]
        pooled = [torch.relu(c(image.T[None])).amax(dim=2)[0] for c in network.horizontal]
        weighted = network.vertical(image[None, None])[0, :, 0]  # (n_v, D)
        together = torch.cat([*pooled, weighted.flatten()])
        expected = torch.relu(network.project(together))
        torch.testing.assert_close(states[step], expected)


def test_caser_sees_no_further_than_its_window(sequences: Make) -> None:
    from .conftest import caser

    network = caser(window=3).eval()
    torch.testing.assert_close(network(*sequences([9, 2, 7, 1])), network(*sequences([2, 7, 1])))
    assert not torch.allclose(network(*sequences([8, 7, 1])), network(*sequences([2, 7, 1])))


def test_onnx_gives_the_same_for_every_shape(network: SequenceNetwork, sequences: Make) -> None:
    content = to_onnx(network.train(), sequences([3, 1, 4], [2], [6, 5]), INPUTS)
    assert network.training  # left as it was
    network.eval()
    session = onnxruntime.InferenceSession(content)
    for dimension in (n for x in session.get_inputs() for n in x.shape):
        assert not isinstance(dimension, int)
    rng = np.random.default_rng(0)
    for n_users, longest in ((1, 1), (1, 40), (7, 3), (50, 12)):
        users = [rng.integers(N_ITEMS, size=rng.integers(1, longest + 1)) for _ in range(n_users)]
        inputs = sequences(*users)
        (scores,) = session.run(None, {n: x.numpy() for n, x in zip(INPUTS, inputs, strict=True)})
        expected = network(*inputs).detach().numpy()
        np.testing.assert_allclose(scores, expected, atol=1e-4)
        np.testing.assert_array_equal(np.argsort(-scores)[:, :10], np.argsort(-expected)[:, :10])


def test_nextitnets_convolutions_are_torchs(sequences: Make) -> None:
    from growthlab.networks.nextitnet_network import CausalConvolution

    with torch_stream(0, "convolution"):
        convolution, x = CausalConvolution(4, kernel=3, dilation=2), torch.randn(2, 9, 4)
    # weight (D, K D) -> (D, D, K): the oldest of the three steps comes first
    weight = convolution.linear.weight.unflatten(1, (3, 4)).transpose(1, 2)
    padded = nn.functional.pad(x.transpose(1, 2), (4, 0))
    expected = nn.functional.conv1d(padded, weight, convolution.linear.bias, dilation=2)
    torch.testing.assert_close(convolution(x), expected.transpose(1, 2))


def test_nextitnet_sees_as_far_as_its_dilations_reach_and_no_further(sequences: Make) -> None:
    # two blocks of 1 + 2 and 2 + 4 with kernel 3: 2 * 9 = 18 steps back
    network = nextitnet(dilations=(1, 2), blocks=1).eval()  # type: ignore[arg-type]
    rest = [1, 2, 3] * 6
    at_reach = [network(*sequences([i, *rest])) for i in (8, 9)]
    beyond = [network(*sequences([i, 4, *rest])) for i in (8, 9)]
    assert not torch.equal(*at_reach)
    assert torch.equal(*beyond)
