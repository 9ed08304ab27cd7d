"""ZILN: the loss and the mean of a log-normal amount that is often zero."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from growthlab.networks.tower import Tower

SMALLEST = 1e-7  # of the variance, in the loss


class ZILNNetwork(nn.Module):
    """Wang, Liu and Miao, arXiv 1912.07753: a perceptron with three outputs a customer.

    The outputs are the logit of buying, and mu and s of the logarithm of the amount, whose standard
    deviation is softplus(s). `share` of buyers, and `mean` and `sd` of the logarithms of positive
    amounts, are those of all customers: the network's initial outputs.
    """

    def __init__(
        self,
        n_inputs: int,
        hidden: Sequence[int],
        dropout: float,
        *,
        share: float,
        mean: float,
        sd: float,
    ) -> None:
        super().__init__()
        self.tower = Tower(n_inputs, hidden, 3, dropout)
        start = (math.log(share / (1 - share)), mean, math.log(math.expm1(sd)))
        with torch.no_grad():
            self.tower.output.bias.copy_(torch.tensor(start))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, n_inputs) -> (B, 3)``: logit, mu, s."""
        return self.tower(x)


def ziln_loss(outputs: Tensor, amount: Tensor) -> Tensor:
    """The negative log-likelihood of amounts (0: none), mean over rows; ``(B, 3), (B,) -> ()``."""
    logit, mu, s = outputs.unbind(1)
    bought = amount > 0
    sd = functional.softplus(s).clamp(min=math.sqrt(SMALLEST))
    log_amount = torch.where(bought, amount, 1.0).log()  # before the log, else the gradient is NaN
    z = (log_amount - mu) / sd
    log_density = -log_amount - sd.log() - 0.5 * math.log(2 * math.pi) - 0.5 * z**2
    positive = functional.softplus(-logit) - log_density
    return torch.where(bought, positive, functional.softplus(logit)).mean()
