"""The losses against golden numbers, against plain loops in double precision, and their gradients."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from torch import Tensor
from torch.nn import functional

from growthlab.core.build import build
from growthlab.core.errors import ConfigError
from growthlab.networks.losses import cross_entropy, gbce, shared_negatives
from growthlab.networks.losses.base import Loss, SequenceTargets
from growthlab.networks.losses.bpr_max import BPRMax
from growthlab.networks.losses.cross_entropy import CrossEntropy, catalogue_cross_entropy
from growthlab.networks.losses.gbce import GBCE, beta_of
from growthlab.networks.losses.sampled_softmax import SampledSoftmax, softmax_loss
from growthlab.networks.losses.shared_negatives import draw_negatives
from growthlab.networks.negative_sampling import unseen_negatives
from growthlab.training.loop import torch_stream

from .loss_batches import OWNED, batch, one_position, value_and_gradients

CONF = Path(__file__).parents[2] / "conf"
LOSSES = sorted(path.stem for path in (CONF / "loss").glob("*.yaml"))
every_loss = pytest.mark.parametrize("name", LOSSES)


def loss_of(name: str) -> object:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return build(compose(overrides=[f"+loss={name}"]).loss, Loss)


def seeded(loss: object, given: SequenceTargets) -> Tensor:
    with torch_stream(5, "draws"):
        return loss(given)  # type: ignore[operator]


def agree(loss: object, plain: object, given: SequenceTargets | None = None) -> None:
    """Value and gradients of `loss` equal those of `plain` in double precision, same draws."""
    given = given or batch()
    double = given._replace(
        states=given.states.double(),
        item_vectors=given.item_vectors.double(),
        bias=given.bias.double(),
        weights=given.weights.double(),
    )
    result = value_and_gradients(partial(seeded, loss), given)
    expected = value_and_gradients(partial(seeded, plain), double)
    for mine, theirs in zip(result, expected, strict=True):
        torch.testing.assert_close(mine.double(), theirs, rtol=1e-5, atol=1e-5)


def uniform(n_rows: int, n: int) -> Tensor:
    return torch.rand(n_rows, n, dtype=torch.float64)


def scores_of(given: SequenceTargets) -> Tensor:
    return given.states @ given.item_vectors.T + given.bias


def targets_of(given: SequenceTargets, position: int) -> list[tuple[int, float]]:
    mine = given.positions == position
    return list(zip(given.targets[mine].tolist(), given.weights[mine].tolist(), strict=True))


# cross-entropy over the catalogue


def test_golden_cross_entropy() -> None:
    # -ln(e^2 / (e^2 + e + 1)); a softmax that is applied twice would give 0.7904
    loss = catalogue_cross_entropy(one_position([2.0, 1.0, 0.0], 0))
    assert loss.item() == pytest.approx(0.407606, abs=1e-6)


def test_uniform_scores_cost_the_log_of_the_catalogue() -> None:
    loss = catalogue_cross_entropy(one_position([0.0] * 50, 7))
    assert loss.item() == pytest.approx(np.log(50), abs=1e-6)


def test_huge_scores_stay_finite() -> None:
    # the target's score is 1e4 below the highest: the loss is 1e4, not infinite
    assert catalogue_cross_entropy(one_position([1e4, 0.0], 1)).item() == pytest.approx(1e4)


@pytest.mark.parametrize("threads", [1, 2, 50])
@pytest.mark.parametrize("chunk_bytes", [1, 160, 40_000])
def test_cross_entropy_in_chunks_and_threads_equals_torchs(
    chunk_bytes: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plain(given: SequenceTargets) -> Tensor:
        per_target = functional.cross_entropy(
            scores_of(given)[given.positions], given.targets, reduction="none"
        )
        return (given.weights * per_target).sum() / len(given.states)

    monkeypatch.setattr(cross_entropy, "CHUNK_BYTES", chunk_bytes)
    monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
    agree(catalogue_cross_entropy, plain)


def test_half_the_bits_leave_the_loss_and_a_gradient_of_the_same_direction() -> None:
    exact, rounded = (
        value_and_gradients(CrossEntropy(precision=p), batch()) for p in ("float32", "bfloat16")
    )
    for mine, theirs in zip(rounded, exact, strict=True):
        assert mine.dtype == theirs.dtype
        assert (mine - theirs).norm() < 0.02 * theirs.norm()


@pytest.mark.parametrize("used", [True, False])
def test_half_the_bits_are_chosen_where_the_processor_has_them_and_pytorch_uses_them(
    monkeypatch: pytest.MonkeyPatch, used: bool
) -> None:
    capabilities = {
        "avx512_bf16": True
    }  # PyTorch 2.10 has no such function yet: none are known then
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: used)
    assert cross_entropy.multiplies_bfloat16(torch.device("cpu")) == used


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.loss\.precision=half: possible: auto, float32"):
        CrossEntropy(precision="half")


def test_the_targets_of_a_basket_share_one_weight() -> None:
    # a position with targets 0 and 2 costs the mean of the two single costs
    one, other = (one_position([2.0, 1.0, 0.0], t) for t in (0, 2))
    both = one._replace(
        positions=torch.tensor([0, 0]),
        targets=torch.tensor([0, 2]),
        weights=torch.tensor([0.5, 0.5]),
    )
    mean = (catalogue_cross_entropy(one) + catalogue_cross_entropy(other)) / 2
    assert catalogue_cross_entropy(both).item() == pytest.approx(mean.item(), abs=1e-6)


# sampled softmax


def test_golden_sampled_softmax() -> None:
    """science of logQ: scores 2, 1, 0 with Q .5, .3, .2 and target 0 cost 0.668583."""
    given = one_position([2.0, 1.0, 0.0], 0)
    log_q = torch.tensor([0.5, 0.3, 0.2]).log()
    block_loss = partial(softmax_loss, items=torch.arange(3), log_q=log_q)
    loss = shared_negatives.mean_over_positions(given, torch.arange(3), block_loss)
    assert loss.item() == pytest.approx(0.668583, abs=1e-6)


@pytest.mark.parametrize("at_once", [1, 60, 10**6])
@pytest.mark.parametrize(("in_batch", "negatives"), [(4, 9), (0, 9), (50, 0)])
def test_sampled_softmax_equals_a_plain_loop(
    at_once: int, in_batch: int, negatives: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plain(given: SequenceTargets) -> Tensor:
        drawn = draw_negatives(given, in_batch, negatives, 0.5)
        corrected = scores_of(given) - drawn.probability.double().log()
        total = torch.zeros((), dtype=torch.float64)
        for p, row in enumerate(corrected):
            own = targets_of(given, p)
            rivals = [row[i] for i in drawn.items.tolist() if i not in dict(own)]
            for item, weight in own:
                among = torch.stack([row[item], *rivals])
                total = total + weight * (among.logsumexp(0) - row[item])
        return total / len(given.states)

    monkeypatch.setattr(shared_negatives, "LOGITS_AT_ONCE", at_once)
    agree(SampledSoftmax(in_batch=in_batch, negatives=negatives, alpha=0.5), plain)


def test_the_probability_of_a_draw_is_that_of_both_ways_and_sums_to_one() -> None:
    # 10 targets of the batch by support, 30 more by its square root
    given = batch()
    drawn = draw_negatives(given, in_batch=99, negatives=30, alpha=0.5)
    support = given.support.numpy()
    by_root = np.sqrt(support) / np.sqrt(support).sum()
    expected = (10 * support / support.sum() + 30 * by_root) / 40
    assert len(drawn.items) == 40
    assert drawn.probability.sum().item() == pytest.approx(1.0)
    np.testing.assert_allclose(drawn.probability.numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_draws_follow_the_support_to_the_power_of_alpha(alpha: float) -> None:
    given = batch()
    with torch_stream(0, "draws"):
        drawn = draw_negatives(given, in_batch=0, negatives=200_000, alpha=alpha)
    shares = drawn.items.bincount(minlength=20) / 200_000
    np.testing.assert_allclose(shares.numpy(), drawn.probability.numpy(), atol=0.003)


# BPR-max


@pytest.mark.parametrize("shift", [0.0, 100.0])
def test_golden_bpr_max(shift: float) -> None:
    """Target 2, negatives 1 and 0, bpreg 0.5, no ELU: 0.625169; only the penalty sees a shift."""
    given = one_position([2.0 + shift, 1.0 + shift, 0.0 + shift], 0)
    loss = BPRMax(bpreg=0.5 if not shift else 0.0, elu=0.0)
    value = shared_negatives.mean_over_positions(given, torch.arange(3), loss.block_loss)
    # softmax of (1, 0) is (.731059, .268941): -ln(.731059 s(1) + .268941 s(2)) + .5 * .731059
    penalty = 0.5 * 0.731059
    assert value.item() == pytest.approx(0.625169 - (penalty if shift else 0), abs=1e-5)


@pytest.mark.parametrize("at_once", [1, 60, 10**6])
@pytest.mark.parametrize("elu", [0.0, 0.7])
def test_bpr_max_equals_a_plain_loop(
    at_once: int, elu: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plain(given: SequenceTargets) -> Tensor:
        drawn = draw_negatives(given, 4, 9, 0.5)
        scores = scores_of(given)
        if elu:
            scores = torch.where(scores > 0, scores, elu * (scores.exp() - 1))
        total = torch.zeros((), dtype=torch.float64)
        for p, row in enumerate(scores):
            own = targets_of(given, p)
            rivals = torch.stack([row[i] for i in drawn.items.tolist() if i not in dict(own)])
            share = rivals.exp() / rivals.exp().sum()
            for item, weight in own:
                won = (share * torch.sigmoid(row[item] - rivals)).sum()
                penalty = 0.8 * (share * rivals**2).sum()
                total = total + weight * (penalty - torch.log(won + 1e-24))
        return total / len(given.states)

    monkeypatch.setattr(shared_negatives, "LOGITS_AT_ONCE", at_once)
    agree(BPRMax(in_batch=4, negatives=9, alpha=0.5, bpreg=0.8, elu=elu), plain)


def test_bpr_max_of_a_hopeless_target_is_finite() -> None:
    # the sigmoid of -1000 is 0 in float32: -ln(0 + 1e-24) = 55.26
    given = one_position([-1000.0, 0.0, 0.0], 0)
    loss = BPRMax(bpreg=0.0, elu=0.0)
    value = shared_negatives.mean_over_positions(given, torch.tensor([1, 2]), loss.block_loss)
    assert value.item() == pytest.approx(-math.log(1e-24), rel=1e-5)


# binary cross-entropy


def test_golden_beta() -> None:
    # alpha = 256 / 3415 = 0.074963
    assert beta_of(256, 0.75, 3416) == pytest.approx(0.306223, abs=1e-6)


def test_beta_is_one_without_calibration_and_the_sampling_rate_with_all() -> None:
    assert beta_of(256, 0.0, 3416) == pytest.approx(1.0)
    assert beta_of(256, 1.0, 3416) == pytest.approx(256 / 3415)


def test_one_negative_without_calibration_is_the_loss_of_the_sasrec_paper() -> None:
    # two items, the user had the first: -(ln s(2) + ln(1 - s(1))) / 2 = (0.126928 + 1.313262) / 2
    loss = GBCE(negatives=1, t=0.0)(one_position([2.0, 1.0], 0))
    assert loss.item() == pytest.approx(0.720095, abs=1e-6)


@pytest.mark.parametrize("at_once", [1, 10, 10**6])
@pytest.mark.parametrize("t", [0.0, 0.75, 1.0])
def test_gbce_equals_the_papers_transform_in_double_precision(
    at_once: int, t: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gSASRec turns the positive's logit into that of sigmoid ** beta, then takes plain BCE."""
    monkeypatch.setattr(gbce, "VECTORS_AT_ONCE", at_once)
    negatives, beta = 3, beta_of(3, t, 20)

    def plain(given: SequenceTargets) -> Tensor:
        scores = scores_of(given)
        total = torch.zeros((), dtype=torch.float64)
        rows_at_once = max(1, at_once // negatives)
        drawn = torch.cat(
            [
                unseen_negatives(
                    users, uniform(len(users), negatives), 20, given.owned, given.owned_until
                )[0]
                for users in given.users.split(rows_at_once)
            ]
        )
        for p, row in enumerate(scores):
            for item, weight in targets_of(given, p):
                power = torch.sigmoid(row[item]) ** beta
                logits = torch.cat([torch.log(power / (1 - power))[None], row[drawn[p]]])
                labels = torch.tensor([1.0] + [0.0] * negatives, dtype=torch.float64)
                one = functional.binary_cross_entropy_with_logits(logits, labels)
                total = total + weight * one
        return total / len(given.states)

    agree(GBCE(negatives=negatives, t=t), plain)


def test_negatives_are_uniform_over_what_the_user_never_had() -> None:
    given, n = batch(), 120_000
    with torch_stream(0, "draws"):
        drawn, counts = unseen_negatives(
            torch.tensor([0, 1, 2]), uniform(3, n), 20, given.owned, given.owned_until
        )
    assert counts.all()
    for items, owned in zip(drawn, OWNED, strict=True):
        expected = np.full(20, 1 / (20 - len(owned)))
        expected[owned] = 0
        np.testing.assert_allclose(items.bincount(minlength=20).numpy() / n, expected, atol=0.003)
        assert not set(items.tolist()) & set(owned)


def test_a_user_who_has_everything_has_no_negatives() -> None:
    given = one_position([2.0], 0)
    one = torch.tensor([0])
    _, counts = unseen_negatives(one, uniform(1, 4), 1, given.owned, given.owned_until)
    assert not counts.any()
    # only the target is left: -beta ln s(2) / 5 with beta = 1 at t = 0
    assert GBCE(negatives=4, t=0.0)(given).item() == pytest.approx(0.126928 / 5, abs=1e-6)


# what holds for all of them


@every_loss
def test_draws_come_from_torchs_stream(name: str) -> None:
    loss, given = loss_of(name), batch()
    one, again = (value_and_gradients(partial(seeded, loss), given) for _ in range(2))
    for mine, other in zip(one, again, strict=True):
        assert torch.equal(mine, other)


@every_loss
def test_a_higher_score_of_the_target_costs_less(name: str) -> None:
    loss = loss_of(name)
    costs = [seeded(loss, one_position([s, 0.5, 0.0, 0.2], 0)).item() for s in (0.0, 1.0, 3.0)]
    assert costs[0] > costs[1] > costs[2]


@every_loss
@pytest.mark.parametrize("n_items", [1, 2])
def test_a_catalogue_of_nearly_nothing_gives_no_nan(name: str, n_items: int) -> None:
    given = one_position([1.0] * n_items, 0)
    for value in value_and_gradients(partial(seeded, loss_of(name)), given):
        assert value.isfinite().all()


@every_loss
def test_scores_far_apart_give_no_nan(name: str) -> None:
    given = one_position([-300.0, 300.0, 0.0], 0)
    for value in value_and_gradients(partial(seeded, loss_of(name)), given):
        assert value.isfinite().all()


@pytest.mark.parametrize(
    ("loss", "setting", "value"),
    [
        (GBCE, "negatives", 0),
        (GBCE, "t", 1.5),
        (SampledSoftmax, "alpha", -0.1),
        (SampledSoftmax, "in_batch", -1),
        (BPRMax, "bpreg", -1.0),
        (BPRMax, "elu", -1.0),
    ],
)
def test_settings_out_of_range_are_refused(loss: type, setting: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"model\.loss\.{setting} .*must"):
        loss(**{setting: value})


@pytest.mark.parametrize("loss", [SampledSoftmax, BPRMax])
def test_nothing_to_draw_is_refused(loss: type) -> None:
    with pytest.raises(ConfigError, match="not both 0"):
        loss(in_batch=0, negatives=0)
