"""ZILN: one network predicts whether a customer buys and how much, with a heavy-tailed amount."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from growthlab.core.errors import ConfigError, DataError
from growthlab.features.examples import Examples
from growthlab.models.sequence_recommender import check_shares
from growthlab.models.table_estimator import arrays_of, design_of
from growthlab.networks.to_onnx import to_onnx
from growthlab.networks.ziln_network import ZILNNetwork, ziln_loss
from growthlab.scorers.onnx_row_scorer import ROWS_AT_ONCE, OnnxRowScorer, ziln_mean
from growthlab.training.fit_options import FitOptions
from growthlab.training.loop import Trainer, device_of, torch_stream
from growthlab.training.table_batches import TableBatches


class ValueBatch(NamedTuple):
    """Customers at their snapshots, and what they spent after them."""

    features: Tensor  # (B, n_features)
    amount: Tensor  # (B,)


@dataclass(kw_only=True, eq=False)
class ZILN:
    """Zero-inflated log-normal: p exp(mu + sigma^2 / 2) from a perceptron on the customer table.

    `hidden` are the widths of its layers. The expected amount of a buyer is capped at the largest
    amount of the fit, beyond which the log-normal mean is unreliable. Wang, Liu and Miao, A Deep
    Probabilistic Model for Customer Lifetime Value Prediction, arXiv 1912.07753.
    """

    stochastic: ClassVar[bool] = True

    hidden: Sequence[int] = (64, 32)
    dropout: float = 0.2
    trainer: Trainer = field(default_factory=lambda: Trainer(batch=256, lr=0.001))
    network_: ZILNNetwork = field(init=False, repr=False)
    losses_: list[float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_shares(self, "dropout")
        if not len(self.hidden) or min(self.hidden) < 1:
            raise ConfigError(f"model.hidden must be widths of 1 or more, got {list(self.hidden)}")

    def fit(self, examples: Examples, options: FitOptions) -> Self:
        """Learn from the labelled examples; DataError if there are none, or no customer spends."""
        amount = examples.labels("ziln")
        if not (amount > 0).any():
            raise DataError(f"ziln: none of {len(amount)} customers spends anything in the horizon")
        self.design_ = design_of(examples.table)
        self.ceiling_ = float(amount.max())
        features = self._inputs(examples)
        arrays = (features, amount.astype(np.float32))
        batches = TableBatches(ValueBatch, arrays, batch=self.trainer.batch, seed=options.seed)
        logs = np.log(amount[amount > 0])
        n, n_bought = len(amount), len(logs)
        with torch_stream(options.seed, "weights"):
            self.network_ = ZILNNetwork(
                features.shape[1],
                self.hidden,
                self.dropout,
                share=(n_bought + 0.5) / (n + 1),  # neither 0 nor 1
                mean=float(logs.mean()),
                sd=max(float(logs.std()), 0.1),
            )
        self.network_.to(device_of(options.device))
        self.trainer.run(self.network_, batches, _loss, options, self)
        return self

    def predict(self, examples: Examples) -> np.ndarray:
        """The expected value, shape ``(n,)``."""
        features = self._inputs(examples)
        network = self.network_.eval()
        device = next(network.parameters()).device
        predictions = [np.zeros(0)]
        for start in range(0, len(examples), ROWS_AT_ONCE):
            block = torch.tensor(features[start : start + ROWS_AT_ONCE], device=device)
            with torch.no_grad():
                outputs = network(block).cpu().numpy()
            predictions.append(ziln_mean(outputs.astype(np.float64), self.ceiling_))
        return np.concatenate(predictions)

    def scorer(self) -> OnnxRowScorer:
        """The network as ONNX, dynamic in rows."""
        example = (torch.zeros(3, len(self.design_.numbers) + len(self.design_.levels)),)
        model = to_onnx(self.network_, example, ("features",), rows_only=True)
        return OnnxRowScorer(self.design_, "ziln_mean", model, ceiling=self.ceiling_)

    def _inputs(self, examples: Examples) -> np.ndarray:
        """The features of the examples, float32."""
        table = arrays_of(examples.table, self.design_.columns)
        return self.design_.matrix(table).astype(np.float32)


def _loss(network: ZILNNetwork, batch: ValueBatch) -> Tensor:
    return ziln_loss(network(batch.features), batch.amount)
