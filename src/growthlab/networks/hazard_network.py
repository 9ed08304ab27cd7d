"""Discrete-time hazard of the next purchase, from a gated recurrent unit over active days."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from growthlab.networks.dropout import ByteMaskDropout
from growthlab.networks.gru_network import initialise
from growthlab.networks.tower import Tower


class HazardNetwork(nn.Module):
    """Logits of the hazard in each interval of the horizon, from active days and a row of features.

    `mean` and `scale` (``(n_facts + 1,)``) standardise the logarithms of a day's facts and of the
    days since the day before it in the sequence. The last state is concatenated with the features;
    the newest day is read last. `start` (``(n_intervals,)``) are the initial logits, those of all
    customers together.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        mean: Tensor,
        scale: Tensor,
        n_features: int,
        start: Tensor,
        *,
        width: int,
        layers: int,
        hidden: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        between = dropout if layers > 1 else 0.0  # torch applies it between layers only
        self.gru = nn.GRU(len(mean), width, num_layers=layers, dropout=between, batch_first=True)
        initialise(self.gru)
        self.dropout = ByteMaskDropout(dropout)
        self.tower = Tower(width + n_features, [hidden], len(start), dropout)
        with torch.no_grad():
            self.tower.output.bias.copy_(start)

    def forward(self, steps: Tensor, features: Tensor) -> Tensor:
        """``(B, S, n_facts), (B, n_features) -> (B, n_intervals)``.

        Steps are newest first; the facts of a missing step are all -1, others are not negative.
        """
        state = self._last_state(steps)
        return self.tower(torch.cat([self.dropout(state), features], dim=1))

    def _last_state(self, steps: Tensor) -> Tensor:
        """The state after the newest day, ``(B, S, n_facts) -> (B, width)``; 0 without any day."""
        exists = steps[:, :, 0] >= 0  # (B, S)
        n_steps = exists.sum(1)  # (B,)
        facts = (log_facts(steps) - self.mean) / self.scale
        places = torch.arange(steps.shape[1], device=steps.device)
        oldest_first = (n_steps[:, None] - 1 - places).clamp(min=0)  # (B, S)
        index = oldest_first[:, :, None].expand(-1, -1, facts.shape[2])
        states, _ = self.gru(
            facts.gather(1, index)
        )  # padding on the right: no effect on the states used
        last = (n_steps - 1).clamp(min=0)[:, None, None].expand(-1, 1, states.shape[2])
        return states.gather(1, last).squeeze(1) * (n_steps > 0).unsqueeze(1)


def log_facts(steps: Tensor) -> Tensor:
    """log(1 + fact) of each step, and of the days since the step before: ``(..., F) -> (..., F + 1)``.

    The first fact is the days before the snapshot. The oldest step has no step before it: 0.
    """
    ago = steps[:, :, 0]
    older = torch.cat([ago[:, 1:], torch.full_like(ago[:, :1], -1.0)], dim=1)
    gap = torch.where(older >= 0, older - ago, 0.0).clamp(min=0)
    return torch.cat([steps, gap.unsqueeze(2)], dim=2).clamp(min=0).log1p()


def hazard_loss(logits: Tensor, interval: Tensor) -> Tensor:
    """Negative log-likelihood of the interval of the next purchase, mean over rows.

    `interval` (``(B,)``) is K if there was none in the K intervals. Only intervals up to the
    purchase count: -sum_k [y_k ln h_k + (1 - y_k) ln(1 - h_k)].
    """
    k = torch.arange(logits.shape[1], device=logits.device)
    before, at = k < interval[:, None], k == interval[:, None]
    surprise = functional.softplus(logits) * before + functional.softplus(-logits) * at
    return surprise.sum(1).mean()
