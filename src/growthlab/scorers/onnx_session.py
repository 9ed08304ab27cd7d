"""An onnxruntime session, created on first use."""

from __future__ import annotations

from typing import Any


def session_of(model: bytes, threads: int = 1) -> Any:
    """A CPU session of the graph `model` on `threads` threads, silent unless something fails."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
