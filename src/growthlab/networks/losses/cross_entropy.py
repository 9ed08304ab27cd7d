"""Softmax cross-entropy over the whole catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from growthlab.core.errors import ConfigError
from growthlab.networks.losses.base import SequenceTargets

LOGITS_AT_ONCE = 2_000_000  # what one chunk of positions may hold: half of it stays in the cache
PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class CrossEntropy:
    """Every item of the catalogue is a negative: no sampling.

    `precision` is that of the logits and of the three products with them: ``bfloat16`` is 2 to 3
    times faster where the processor multiplies it (``auto``: only there) and leaves a relative
    error of about 1 % in the gradient, of no direction; sums and weights stay in float32.
    """

    precision: str = "auto"

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            possible = ", ".join(PRECISIONS)
            raise ConfigError(f"model.loss.precision={self.precision}: possible: {possible}")

    def __call__(self, given: SequenceTargets) -> Tensor:
        """See `catalogue_cross_entropy`."""
        if self.precision == "auto":
            dtype = torch.bfloat16 if multiplies_bfloat16(given.states.device) else torch.float32
        else:
            dtype = getattr(torch, self.precision)
        return catalogue_cross_entropy(given, dtype)


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for it and PyTorch uses them; else float32 is faster.

    oneDNN multiplies on a CPU. Where its instruction set is limited (``DNNL_MAX_CPU_ISA``), a
    product in bfloat16 takes 15 times as long as one in float32, whatever the processor has.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    able: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    if device.type != "cpu" or not (able.get("avx512_bf16") or able.get("amx_bf16")):
        return False
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def catalogue_cross_entropy(given: SequenceTargets, dtype: torch.dtype = torch.float32) -> Tensor:
    """Softmax cross-entropy over all items, mean over positions of several targets each.

    ``L = 1/P sum_p [ logsumexp_j s_pj - sum_m w_m s_(p, i_m) ]`` with scores ``s`` and weights that
    sum to 1 a position: one logsumexp a position, gathered for all its targets. `dtype` is that of
    the chunks of logits; memory does not grow with P times n_items.
    """
    normaliser = _MeanLogSumExp.apply(given.states, given.item_vectors, given.bias, dtype)
    return normaliser - (given.weights * given.score_of_targets()).sum() / len(given.states)


class _MeanLogSumExp(torch.autograd.Function):
    """Mean over rows of ``logsumexp(states @ item_vectors.T + bias)``.

    The gradient is taken chunk by chunk while the logits are at hand, so they are never kept or
    made twice. With ``p`` the softmax of the logits ``s``, ``logsumexp s = max s - ln max p``.
    """

    @staticmethod
    def forward(
        ctx: Any, states: Tensor, item_vectors: Tensor, bias: Tensor, dtype: torch.dtype
    ) -> Tensor:
        n_items = len(item_vectors)
        n_rows = min(max(1, LOGITS_AT_ONCE // n_items), len(states))
        total = states.new_zeros(())
        by_states = torch.empty_like(states, dtype=dtype)
        by_items, by_bias = torch.zeros_like(item_vectors), torch.zeros_like(bias)
        states, item_vectors, bias = (x.to(dtype) for x in (states, item_vectors, bias))
        room = states.new_empty(2, n_rows, n_items)  # made once: fresh memory is slow
        for start in range(0, len(states), n_rows):
            rows = states[start : start + n_rows]
            logits, softmax = room[:, : len(rows)]
            torch.addmm(bias, rows, item_vectors.T, out=logits)
            torch.softmax(logits, dim=1, out=softmax)
            total += (logits.amax(dim=1).float() - softmax.amax(dim=1).float().log()).sum()
            torch.mm(softmax, item_vectors, out=by_states[start : start + n_rows])
            by_items.add_(softmax.T @ rows)
            by_bias.add_(softmax.sum(dim=0))
        ctx.save_for_backward(by_states, by_items, by_bias)
        return total / len(states)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        by_states, by_items, by_bias = ctx.saved_tensors
        scale = grads[0] / len(by_states)
        return by_states.to(by_items.dtype) * scale, by_items * scale, by_bias * scale, None
