"""The rows of a training batch in parts, forward and backward side by side, a thread each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from growthlab.networks.dropout import PART, RowPart, dropout_of_part
from growthlab.networks.torch_threads import row_parts, side_by_side


def rows_side_by_side(
    encode: Callable[[Tensor], Tensor], rows: Tensor, parameters: Iterable[nn.Parameter]
) -> Tensor:
    """``encode(rows)`` of a batch on the CPU, in parts of the rows.

    `encode` may read `parameters`, must treat each row alone, and may draw by `ByteMaskDropout` only,
    which draws as for the whole batch: the number of threads changes the rounding of sums, nothing else.
    """
    encoded: Tensor = _RowsSideBySide.apply(encode, rows, *parameters)
    return encoded


class _Part(NamedTuple):
    """A part of the rows, and what became of it, with the graph between them."""

    rows: Tensor
    encoded: Tensor


class _RowsSideBySide(torch.autograd.Function):
    """A graph a part, so that each thread goes backward through its own."""

    @staticmethod
    def forward(
        ctx: Any, encode: Callable[[Tensor], Tensor], rows: Tensor, *parameters: nn.Parameter
    ) -> Tensor:
        places = row_parts(len(rows))
        outer = PART.get()  # which the threads do not inherit
        generators = [_same_generator() for _ in places]

        def encoded(number: int) -> _Part:
            place, generator = places[number], generators[number]
            part = rows[place].detach().requires_grad_()
            drawn = RowPart(place, len(rows), generator).inside(outer)
            with torch.enable_grad(), dropout_of_part(drawn):
                return _Part(part, encode(part))

        ctx.parts, ctx.parameters = side_by_side(encoded, range(len(places))), parameters
        torch.set_rng_state(generators[0].get_state())
        return torch.cat([part.encoded.detach() for part in ctx.parts])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        of_parts = grads[0].split([len(part.rows) for part in ctx.parts])

        def gradients(place: int) -> tuple[Tensor | None, ...]:
            rows, encoded = ctx.parts[place]
            inputs = [rows, *ctx.parameters]
            return torch.autograd.grad(encoded, inputs, of_parts[place], allow_unused=True)

        by_rows, *by_parameters = zip(*side_by_side(gradients, range(len(of_parts))), strict=True)
        return None, torch.cat(by_rows), *map(_sum, by_parameters)


def _same_generator() -> torch.Generator:
    """A generator in the state of torch's own."""
    generator = torch.Generator()
    generator.set_state(torch.get_rng_state())
    return generator


def _sum(gradients: tuple[Tensor | None, ...]) -> Tensor | None:
    """The sum in the order of the parts; None of a parameter that was not read."""
    read = [gradient for gradient in gradients if gradient is not None]
    return sum(read[1:], read[0]) if read else None
