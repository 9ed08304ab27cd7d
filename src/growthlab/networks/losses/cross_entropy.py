"""Softmax cross-entropy over the whole catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from growthlab.core.errors import ConfigError
from growthlab.networks.losses.base import SequenceTargets
from growthlab.networks.torch_threads import row_parts, side_by_side

CHUNK_BYTES = 2_000_000  # of the logits of a chunk of positions: about the cache of a core
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
    places = torch.arange(len(batch.states), device=batch.positions.device)
    first = torch.searchsorted(batch.positions, places).clamp(max=len(batch.targets) - 1)
    columns = batch.targets[first]  # a target of each position
    normaliser = _MeanLogSumExp.apply(batch.states, batch.item_vectors, batch.bias, columns, dtype)
    return normaliser - (batch.weights * batch.score_of_targets()).sum() / len(batch.states)


class _Part(NamedTuple):
    """The sum of logsumexp over some rows, and its gradient by items and by bias."""

    total: Tensor
    by_items: Tensor
    by_bias: Tensor


class _MeanLogSumExp(torch.autograd.Function):
    """Mean over rows of ``logsumexp(states @ item_vectors.T + bias)``.

    The gradient is computed chunk by chunk together with the logits, so that these are neither kept
    nor computed twice. On a CPU as many parts of the rows as there are threads are computed side by
    side: a thread whose chunk fits its cache waits for nobody.
    """

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        item_vectors: Tensor,
        bias: Tensor,
        columns: Tensor,
        dtype: torch.dtype,
    ) -> Tensor:
        by_states = torch.empty_like(states, dtype=dtype)
        of_rows = partial(
            _part, states.to(dtype), item_vectors.to(dtype), bias.to(dtype), columns, by_states
        )
        on_cpu = states.device.type == "cpu"
        places = row_parts(len(states)) if on_cpu else [slice(0, len(states))]
        parts = side_by_side(of_rows, places)
        total, by_items, by_bias = (sum(each[1:], each[0]) for each in zip(*parts, strict=True))
        ctx.save_for_backward(by_states, by_items, by_bias)
        return total / len(states)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        by_states, by_items, by_bias = ctx.saved_tensors
        scale = grads[0] / len(by_states)
        by_states = by_states.to(by_items.dtype)
        return by_states * scale, by_items * scale, by_bias * scale, None, None


@torch.no_grad()
def _part(
    states: Tensor,
    item_vectors: Tensor,
    bias: Tensor,
    columns: Tensor,
    by_states: Tensor,
    place: slice,
) -> _Part:
    """The part of these rows; their gradient by states goes to `by_states`."""
    total = states.new_zeros((), dtype=torch.float32)
    by_items, by_bias = (torch.zeros_like(x, dtype=torch.float32) for x in (item_vectors, bias))
    n_rows = max(1, CHUNK_BYTES // (len(item_vectors) * states.element_size()))
    buffer = states.new_empty(
        min(n_rows, place.stop - place.start), len(item_vectors)
    )  # allocated once: fresh memory is slow
    for start in range(place.start, place.stop, n_rows):
        chunk = slice(start, min(start + n_rows, place.stop))
        rows, softmax = states[chunk], buffer[: chunk.stop - start]
        own = columns[chunk, None]
        torch.addmm(bias, rows, item_vectors.T, out=softmax)
        score = softmax.gather(1, own).float()
        torch.softmax(softmax, dim=1, out=softmax)
        share = softmax.gather(1, own).float()
        normaliser = score - share.log()  # logsumexp s = s_j - ln p_j, for any column j
        if (lost := (share == 0)[:, 0]).any():
            logits = torch.addmm(bias, rows[lost], item_vectors.T).float()
            normaliser[lost] = logits.logsumexp(1, keepdim=True)
        total += normaliser.sum()
        torch.mm(softmax, item_vectors, out=by_states[chunk])
        if softmax.dtype == by_items.dtype:
            by_items.addmm_(softmax.T, rows)
        else:
            by_items.add_(softmax.T @ rows)
        by_bias.add_(softmax.sum(dim=0))
    return _Part(total, by_items, by_bias)
