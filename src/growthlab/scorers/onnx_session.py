"""An onnxruntime session, created on first use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from growthlab.core.errors import AnswerError


def session_of(model: bytes, threads: int = 1) -> Any:
    """A CPU session of the graph `model` on `threads` threads, silent unless something fails."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run_graph(
    session: Any, output: str, feeds: Mapping[str, np.ndarray], shape: tuple[int | None, ...]
) -> np.ndarray:
    """The graph's `output` for these inputs; None in `shape` stands for any length.

    Raises
    ------
    AnswerError
        The graph fails, or its output has another shape or is not finite.
    """
    try:
        (values,) = session.run([output], dict(feeds))
    except Exception as error:  # onnxruntime has types of its own
        reason = str(error).partition("\n")[0]
        raise AnswerError(f"the network fails: {reason[:200]}") from error
    values = np.asarray(values)
    fits = values.ndim == len(shape) and all(
        wanted in (None, n) for wanted, n in zip(shape, values.shape, strict=True)
    )
    if not fits or values.dtype.kind != "f" or not np.isfinite(values).all():
        raise AnswerError(
            f"the network answers {values.dtype} {values.shape}, or what is not finite"
        )
    return values
