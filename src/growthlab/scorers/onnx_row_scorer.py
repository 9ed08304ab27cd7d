"""A network of customer tables as ONNX: named columns in, one number a customer out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import numpy as np
from scipy.special import expit

from growthlab.core.array_schema import NUMBER, ArraySchema, Schema
from growthlab.core.errors import BundleError
from growthlab.scorers.linear_row_scorer import Design
from growthlab.scorers.onnx_graph import check_onnx_graph
from growthlab.scorers.onnx_session import run_graph, session_of

ROWS_AT_ONCE = 8_192
ABSENT = -1.0  # facts of a missing step

Answer = Literal["survival", "ziln_mean"]


def survival(outputs: np.ndarray, ceiling: float) -> np.ndarray:
    """Product over intervals of 1 - expit(logit): the probability of no event, ``(n, K) -> (n,)``."""
    return np.exp(-np.logaddexp(0.0, outputs).sum(axis=1))


def ziln_mean(outputs: np.ndarray, ceiling: float) -> np.ndarray:
    """expit(logit) exp(mu + softplus(s)^2 / 2), ``(n, 3) -> (n,)``; the amount at most `ceiling`."""
    logit, mu, s = outputs.T
    log_amount = mu + np.logaddexp(0.0, s) ** 2 / 2
    return expit(logit) * np.exp(np.minimum(log_amount, np.log(ceiling)))


ANSWERS: Mapping[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "survival": survival,
    "ziln_mean": ziln_mean,
}


@dataclass(frozen=True)
class OnnxRowScorer:
    """An answer computed from a network's outputs.

    The network reads the matrix of `design` and, if `steps` are named, a history:
    ``(n_steps, n_facts)`` column names, newest step first, NaN for missing steps.
    """

    kind: ClassVar[str] = "onnx_row_scorer"
    schema: ClassVar[Schema] = {
        **Design.schema,
        "answer": ArraySchema(dtypes=("text",), values=tuple(ANSWERS)),
        "steps": ArraySchema(dtypes=("text",), shape=None),
        "ceiling": ArraySchema(dtypes=NUMBER, low=1e-9, high=np.inf, infinite=True),
    }

    design: Design
    answer: Answer
    model: bytes = field(repr=False)
    steps: tuple[tuple[str, ...], ...] = ()
    ceiling: float = np.inf
    threads: int = 1

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the design and of the steps."""
        return (*self.design.columns, *(name for step in self.steps for name in step))

    def predict(self, table: Mapping[str, np.ndarray]) -> np.ndarray:
        """Predictions, shape ``(n,)``; see `RowScorer.predict`."""
        features = self.design.matrix(table).astype(np.float32)
        feeds = {"features": features}
        if self.steps:
            facts = np.stack([[table[name] for name in step] for step in self.steps])
            feeds["steps"] = known_steps(np.moveaxis(facts, 2, 0))  # (S, F, n) -> (n, S, F)
        answers = [np.zeros(0)]
        for start in range(0, len(features), ROWS_AT_ONCE):
            block = {n: values[start : start + ROWS_AT_ONCE] for n, values in feeds.items()}
            outputs = run_graph(self._session, "scores", block, (len(block["features"]), None))
            answers.append(ANSWERS[self.answer](outputs.astype(np.float64), self.ceiling))
        return np.concatenate(answers)

    @cached_property
    def _session(self) -> Any:
        return session_of(self.model, self.threads)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything but the graph."""
        return {
            **self.design.to_arrays(),
            "answer": np.array(self.answer),
            "steps": np.array(self.steps, dtype=str),
            "ceiling": np.array(self.ceiling),
        }

    def to_files(self) -> dict[str, bytes]:
        """The graph with its weights."""
        return {"model.onnx": self.model}

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` and `to_files` wrote."""
        answer = str(arrays["answer"])
        if answer not in ANSWERS:
            raise BundleError(f"onnx_row_scorer answers {' or '.join(ANSWERS)}, not {answer}")
        check_onnx_graph(files["model.onnx"], ("features", "steps"), "scores")
        return cls(
            Design.load(arrays),
            answer,  # type: ignore[arg-type]
            files["model.onnx"],
            tuple(tuple(step) for step in arrays["steps"].tolist()),
            float(arrays["ceiling"]),
        )


def known_steps(facts: np.ndarray) -> np.ndarray:
    """Facts as the network reads them, float32: `ABSENT` for every fact of a missing step."""
    exists = np.isfinite(facts[:, :, :1])
    return np.where(exists, np.nan_to_num(facts), ABSENT).astype(np.float32)
