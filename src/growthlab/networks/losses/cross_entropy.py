"""Softmax cross-entropy over the whole catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from growthlab.core.errors import ConfigError
from growthlab.networks.losses.base import SequenceTargets

LOGITS_AT_ONCE = 2_000_000  # logits of one chunk of positions: half of them fit the cache
PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class CrossEntropy:
    """Every item of the catalogue is a negative: no sampling.

    `precision` is that of the logits and of the three products with them: ``bfloat16`` is 2 to 3
    times faster on processors that multiply it (``auto``: only there) and leaves an unbiased
    relative error of about 1 % in the gradient; sums and weights stay in float32.
    """

    precision: str = "auto"

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            possible = ", ".join(PRECISIONS)
            raise ConfigError(f"model.loss.precision={self.precision}: possible: {possible}")

    def __call__(self, batch: SequenceTargets) -> Tensor:
        """See `catalogue_cross_entropy`."""
        if self.precision == "auto":
            dtype = torch.bfloat16 if multiplies_bfloat16(batch.states.device) else torch.float32
        else:
            dtype = getattr(torch, self.precision)
        return catalogue_cross_entropy(batch, dtype)


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the device has bfloat16 instructions and PyTorch uses them; else float32 is faster.

    On a CPU oneDNN multiplies. If its instruction set is limited (``DNNL_MAX_CPU_ISA``), a
    product in bfloat16 takes 15 times as long as one in float32, whatever the processor has.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    if device.type != "cpu" or not (
        capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    ):
        return False
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def catalogue_cross_entropy(batch: SequenceTargets, dtype: torch.dtype = torch.float32) -> Tensor:
    """Softmax cross-entropy over all items, mean over positions of several targets each.

    ``L = 1/P sum_p [ logsumexp_j s_pj - sum_m w_m s_(p, i_m) ]`` with scores ``s`` and weights that
    sum to 1 a position: one logsumexp a position, gathered for all its targets. `dtype` is that of
    the chunks of logits; memory does not grow with P times n_items.
    """
    normaliser = _MeanLogSumExp.apply(batch.states, batch.item_vectors, batch.bias, dtype)
    return normaliser - (batch.weights * batch.score_of_targets()).sum() / len(batch.states)


class _MeanLogSumExp(torch.autograd.Function):
    """Mean over rows of ``logsumexp(states @ item_vectors.T + bias)``.

    The gradient is computed chunk by chunk together with the logits, so that these are neither kept
    nor computed twice. With ``p`` the softmax of the logits ``s``, ``logsumexp s = max s - ln max p``.
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
        buffer = states.new_empty(2, n_rows, n_items)  # allocated once: fresh memory is slow
        for start in range(0, len(states), n_rows):
            rows = states[start : start + n_rows]
            logits, softmax = buffer[:, : len(rows)]
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
