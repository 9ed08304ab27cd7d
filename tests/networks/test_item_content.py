"""The content part of item vectors: what an unseen item gets, and what training leaves out."""

from __future__ import annotations

import pytest
import torch

from growthlab.networks.content_embedding import ContentEmbedding
from growthlab.networks.gru_network import GRUNetwork
from growthlab.networks.losses.base import SequenceTargets
from growthlab.networks.losses.bpr_max import BPRMax
from growthlab.networks.losses.cross_entropy import CrossEntropy
from growthlab.networks.losses.gbce import GBCE
from growthlab.networks.losses.sampled_softmax import SampledSoftmax

KNOWN = torch.tensor([True, False, True, True, False, True])


def part(id_dropout: float = 0.0, known: torch.Tensor = KNOWN) -> ContentEmbedding:
    torch.manual_seed(0)
    matrix = torch.nn.functional.normalize(torch.randn(6, 5))
    return ContentEmbedding(matrix, known, width=4, id_dropout=id_dropout)


def test_an_unseen_item_has_the_content_part_alone() -> None:
    content = part()
    ids, own = torch.randn(6, 4), torch.randn(6)
    vectors, biases = content.vectors(ids), content.biases(own)
    alone = content.project(content.matrix)
    torch.testing.assert_close(vectors[~KNOWN], alone[~KNOWN])
    torch.testing.assert_close(vectors[KNOWN], (alone + ids)[KNOWN])
    torch.testing.assert_close(biases[KNOWN], own[KNOWN])
    assert (biases[~KNOWN] == 0).all()


def test_id_dropout_leaves_out_whole_ids_in_training_only() -> None:
    content = part(id_dropout=0.5)
    ids = torch.ones(6, 4)
    shares = []
    for _ in range(400):
        content.draw()
        added = (content.vectors(ids) - content.project(content.matrix)).detach()
        whole = added.round().mean(dim=1)
        assert set(whole.tolist()) <= {0.0, 1.0}  # never scaled, never a part
        assert (whole == content.biases(torch.ones(6)).round()).all()  # the bias goes with it
        shares.append(whole[KNOWN].mean().item())
    assert torch.tensor(shares).mean() == pytest.approx(0.5, abs=0.05)  # 1600 coins: sd 0.0125
    content.eval()
    content.draw()
    added = content.vectors(ids) - content.project(content.matrix)
    torch.testing.assert_close(added[KNOWN], torch.ones(4, 4))


def given(content: ContentEmbedding, ids: torch.Tensor, bias: torch.Tensor) -> SequenceTargets:
    """Three positions of two users in a catalogue of six items."""
    torch.manual_seed(1)
    return SequenceTargets(
        states=torch.randn(3, 4),
        item_vectors=content.vectors(ids),
        bias=content.biases(bias),
        positions=torch.tensor([0, 1, 2]),
        targets=torch.tensor([2, 5, 0]),
        weights=torch.ones(3),
        users=torch.tensor([0, 0, 1]),
        owned=torch.tensor([0, 2, 5, 0]),
        owned_until=torch.tensor([0, 3, 4]),
        support=torch.tensor([1.0, 0, 1, 0, 0, 1]).double(),
    )


LOSSES = [
    CrossEntropy(),
    SampledSoftmax(negatives=64, in_batch=0, alpha=0),
    BPRMax(negatives=64, in_batch=0, alpha=0),
    GBCE(negatives=8),
]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_no_loss_punishes_an_item_for_being_unseen(loss: object) -> None:
    content = part()
    ids, bias = torch.zeros(6, 4), torch.zeros(6)
    batch = given(content, ids, bias)
    vectors = batch.item_vectors.detach().requires_grad_()
    biases = batch.bias.detach().requires_grad_()
    seen = content.without_new_items(batch._replace(item_vectors=vectors, bias=biases))
    loss(seen).backward()  # type: ignore[operator]
    assert vectors.grad is not None
    assert biases.grad is not None
    assert (vectors.grad[~KNOWN] == 0).all()
    assert (biases.grad[~KNOWN] == 0).all()
    assert (biases.grad[KNOWN] != 0).any()


def test_among_known_items_the_cross_entropy_is_that_of_a_catalogue_without_the_others() -> None:
    content = part()
    batch = given(content, torch.randn(6, 4), torch.randn(6))
    scores = (batch.states @ batch.item_vectors.T + batch.bias)[:, KNOWN]
    places = torch.tensor([1, 3, 0])  # of the items 2, 5 and 0 among 0, 2, 3, 5
    expected = torch.nn.functional.cross_entropy(scores, places)
    loss = CrossEntropy(precision="float32")
    torch.testing.assert_close(loss(content.without_new_items(batch)), expected)


def test_where_every_item_is_known_nothing_is_left_out() -> None:
    content = part(known=torch.ones(6, dtype=torch.bool))
    batch = given(content, torch.randn(6, 4), torch.randn(6))
    assert content.without_new_items(batch) is batch


def test_folding_keeps_every_score_and_needs_no_content() -> None:
    torch.manual_seed(0)
    network = GRUNetwork(6, width=4, state=8, layers=1, dropout=0.1, output_dropout=0.1)
    network.add_content(part().matrix, KNOWN, 0.3)
    assert network.content is not None
    torch.nn.init.normal_(network.items.weight)
    torch.nn.init.normal_(network.bias)
    torch.nn.init.normal_(network.content.bias.weight)
    network.eval()
    items, slots = torch.tensor([0, 1, 4, 5]), torch.tensor([0, 1, 2, 2])
    steps = (items, torch.zeros(4, dtype=torch.long), slots, torch.tensor([[1.0, 1.0], [2.0, 0.0]]))
    folded = network.with_folded_content()
    torch.testing.assert_close(folded(*steps), network(*steps))
    assert folded.content is None
    assert network.content is not None
    assert folded.with_folded_content() is folded


def test_the_content_is_no_part_of_a_checkpoint() -> None:
    network = GRUNetwork(6, width=4, state=8, layers=1, dropout=0.1, output_dropout=0.1)
    network.add_content(part().matrix, KNOWN, 0.3)
    assert {n for n in network.state_dict() if n.startswith("content")} == {
        "content.project.weight",
        "content.bias.weight",
    }
