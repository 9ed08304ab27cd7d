"""EpochWatch: evaluates a model after each epoch, remembers the values, and says when to stop."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from growthlab.core.atomic_write import write_json
from growthlab.training.fit_options import EpochVerdict

log = logging.getLogger(__name__)

SLOW_EPOCH = 10.0  # seconds from which an epoch is worth a line


@dataclass
class EpochWatch:
    """Called after each epoch (`FitOptions.on_epoch`): is it the best so far, is it time to stop?

    Parameters
    ----------
    evaluate : the value of the model as it is after the epoch; NaN is never the best
    patience : epochs without improvement before the fit is stopped
    memory : JSON file that keeps the values, so that a resumed fit goes on with the same patience
    on_value : called with each epoch and its value; may stop the fit by returning True, or by an
        exception
    label : name of the value in the log, where slow epochs get a line each; empty: no lines
    """

    evaluate: Callable[[Any], float]
    patience: int
    maximise: bool = True
    memory: Path | None = None
    on_value: Callable[[int, float], bool] | None = None
    label: str = ""
    values: dict[int, float] = field(default_factory=dict)
    _last_call: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        if self.memory is not None and self.memory.exists():
            self.values = {int(n): v for n, v in json.loads(self.memory.read_text()).items()}

    def __call__(self, epoch: int, model: Any) -> EpochVerdict:
        """The verdict on the model after `epoch` (from 1)."""
        self.values = {n: v for n, v in self.values.items() if n < epoch}
        self.values[epoch] = self.evaluate(model)
        if self.memory is not None:
            write_json(self.memory, self.values)
        best = self.best_epoch
        self._log(epoch, best)
        stopped = self.on_value is not None and self.on_value(epoch, self.values[epoch])
        return EpochVerdict(improved=best == epoch, stop=stopped or epoch - best >= self.patience)

    @property
    def best_epoch(self) -> int:
        """The earliest epoch with the best value."""
        sign = 1 if self.maximise else -1
        ranks = {n: -math.inf if math.isnan(v) else sign * v for n, v in self.values.items()}
        return max(ranks, key=lambda n: (ranks[n], -n))

    def _log(self, epoch: int, best: int) -> None:
        seconds = time.perf_counter() - self._last_call
        self._last_call += seconds
        if self.label and seconds >= SLOW_EPOCH:
            words = "epoch %d: %s %.4f (best: %.4f, epoch %d) in %.0f s"
            log.info(words, epoch, self.label, self.values[epoch], self.values[best], best, seconds)
