"""GRU hazard: when the next purchase comes, from the sequence of a customer's active days."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from growthlab.core.errors import ConfigError, DataError
from growthlab.features.examples import Examples
from growthlab.features.step_facts import FACTS, N_STEPS, NAMES
from growthlab.models.sequence_recommender import check_positive, check_shares
from growthlab.models.table_estimator import arrays_of, design_of
from growthlab.networks.hazard_network import HazardNetwork, hazard_loss, log_facts
from growthlab.networks.to_onnx import to_onnx
from growthlab.scorers.onnx_row_scorer import ROWS_AT_ONCE, OnnxRowScorer, known_steps, survival
from growthlab.training.fit_options import FitOptions
from growthlab.training.loop import Trainer, device_of, torch_stream
from growthlab.training.table_batches import TableBatches


class HazardBatch(NamedTuple):
    """Customers at their snapshots, and in which interval they bought next."""

    steps: Tensor  # (B, S, n_facts)
    features: Tensor  # (B, n_features)
    interval: Tensor  # (B,) the number of intervals where not at all


@dataclass(kw_only=True, eq=False)
class GRUHazard:
    """P(no purchase in the horizon) = prod_k (1 - h_k) over `intervals` equal parts of it.

    h_k is the hazard of the *next purchase* in the k-th part, which is observed, unlike the hazard of
    leaving. A gated recurrent unit reads the latest `length` active days (how long ago, lines
    bought, money, browsing, returns), and its last state is concatenated with the customer table.
    Customers who buy early say nothing about later intervals, as in the likelihood. Trained on the
    same labelled snapshots as every other churn model. Discrete-time survival: Singer and Willett,
    Journal of Educational Statistics 1993; recurrent: Martinsson, WTTE-RNN, 2016.
    """

    stochastic: ClassVar[bool] = True
    reads_events: ClassVar[bool] = True

    width: int = 32
    layers: int = 1
    hidden: int = 32
    dropout: float = 0.2
    length: int = N_STEPS
    intervals: int = 8
    trainer: Trainer = field(default_factory=lambda: Trainer(batch=256, lr=0.003))
    network_: HazardNetwork = field(init=False, repr=False)
    losses_: list[float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_positive(self, "width", "layers", "hidden", "length", "intervals")
        check_shares(self, "dropout")
        if self.length > N_STEPS:
            raise ConfigError(f"model.length must be at most {N_STEPS}, got {self.length}")

    def fit(self, examples: Examples, options: FitOptions) -> Self:
        """Learn from the labelled examples; DataError if there are none, or no customer buys again."""
        target = examples.labels("gru_hazard")
        waits = examples.waits
        if waits is None:
            raise DataError("gru_hazard needs the days to the next purchase as well as the labels")
        if not np.isfinite(waits).any():
            raise DataError(f"gru_hazard: none of {len(target)} customers buys within the horizon")
        self.design_ = design_of(examples.table)
        steps, features = self._inputs(examples)
        interval = self._intervals_of(waits, examples.horizon_days)
        batches = TableBatches(
            HazardBatch, (steps, features, interval), batch=self.trainer.batch, seed=options.seed
        )
        with torch_stream(options.seed, "weights"):
            self.network_ = self._new_network(steps, features.shape[1], interval)
        self.network_.to(device_of(options.device))
        self.trainer.run(self.network_, batches, _loss, options, self)
        return self

    def predict(self, examples: Examples) -> np.ndarray:
        """P(no purchase in the horizon), shape ``(n,)``."""
        steps, features = self._inputs(examples)
        network = self.network_.eval()
        device = next(network.parameters()).device
        predictions = [np.zeros(0)]
        for start in range(0, len(examples), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            block = (torch.tensor(x[rows], device=device) for x in (steps, features))
            with torch.no_grad():
                logits = network(*block).cpu().numpy()
            predictions.append(survival(logits.astype(np.float64), np.inf))
        return np.concatenate(predictions)

    def scorer(self) -> OnnxRowScorer:
        """The network as ONNX, dynamic in rows."""
        design = self.design_
        features = torch.zeros(3, len(design.numbers) + len(design.levels))
        example = (torch.ones(3, self.length, len(FACTS)), features)
        model = to_onnx(self.network_, example, ("steps", "features"), rows_only=True)
        named = np.array(NAMES).reshape(N_STEPS, len(FACTS))[: self.length]
        return OnnxRowScorer(design, "survival", model, tuple(tuple(row) for row in named.tolist()))

    def _inputs(self, examples: Examples) -> tuple[np.ndarray, np.ndarray]:
        """Steps and features of the examples, float32."""
        features = self.design_.matrix(arrays_of(examples.table, self.design_.columns))
        return known_steps(examples.steps[:, : self.length]), features.astype(np.float32)

    def _intervals_of(self, waits: np.ndarray, horizon_days: float) -> np.ndarray:
        """The interval of the next purchase, int64; `intervals` if there is none."""
        places = np.floor(np.where(np.isfinite(waits), waits, 0.0) / horizon_days * self.intervals)
        inside = np.minimum(places, self.intervals - 1)
        return np.where(np.isfinite(waits), inside, self.intervals).astype(np.int64)

    def _new_network(
        self, steps: np.ndarray, n_features: int, interval: np.ndarray
    ) -> HazardNetwork:
        """The untrained network, which starts from the hazards of all customers together."""
        seen = torch.tensor(steps)
        facts = log_facts(seen)[seen[:, :, 0] >= 0].double()
        scale = facts.std(0, unbiased=False).clamp(min=1e-3)
        bought = np.bincount(interval, minlength=self.intervals + 1)
        at_risk = np.cumsum(bought[::-1])[::-1]
        odds = (bought[:-1] + 0.5) / (at_risk[1:] + 0.5)
        return HazardNetwork(
            facts.mean(0).float(),
            scale.float(),
            n_features,
            torch.tensor(np.log(odds), dtype=torch.float32),
            width=self.width,
            layers=self.layers,
            hidden=self.hidden,
            dropout=self.dropout,
        )


def _loss(network: HazardNetwork, batch: HazardBatch) -> Tensor:
    return hazard_loss(network(batch.steps, batch.features), batch.interval)
