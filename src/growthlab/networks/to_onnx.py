"""A torch network as ONNX bytes, with every input dimension dynamic."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn


def to_onnx(
    network: nn.Module,
    example: Sequence[Tensor],
    names: Sequence[str],
    *,
    output: str = "scores",
    rows_only: bool = False,
) -> bytes:
    """The network in evaluation mode, exported from CPU copies, with one `output`.

    With `rows_only` the inputs are tables: only their first dimension is dynamic. No size in
    `example` may be 0 or 1, which the exporter would freeze.

    Raises
    ------
    RuntimeError
        The exporter froze a dimension (it does so silently for named dimensions).
    """
    device, training = next(network.parameters()).device, network.training
    network.cpu().eval()
    shapes = tuple(
        dict.fromkeys(range(1 if rows_only else x.dim()), torch.export.Dim.AUTO) for x in example
    )
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # deprecations inside the exporter
            program = torch.onnx.export(
                network,
                tuple(x.cpu() for x in example),
                input_names=list(names),
                output_names=[output],
                dynamic_shapes=shapes,
                dynamo=True,
                verbose=False,
                external_data=False,
            )
    finally:
        exporter.setLevel(level)
        network.to(device).train(training)
    assert program is not None
    frozen = {
        x.name: x.shape
        for x in program.model.graph.inputs
        if any(isinstance(n, int) for n in list(x.shape or [0])[: 1 if rows_only else None])
    }
    if frozen:
        raise RuntimeError(f"the ONNX exporter froze input dimensions: {frozen}")
    return program.model_proto.SerializeToString()
