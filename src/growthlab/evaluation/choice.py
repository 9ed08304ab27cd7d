"""What the validation window chooses: the order of models, and the default where too few customers decide."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple, TypeVar

from growthlab.core.errors import ConfigError

Run = TypeVar("Run")

MIN_DECIDING = 20  # customers; with fewer, which model is best by them says next to nothing


class Judged(NamedTuple):
    """What the validation window says of a run: its model, the objective, and who decided.

    `n_deciding` is the number of customers by whom models can differ, see `Task.n_deciding`; NaN
    where it was not counted. Runs of the same `group` are seeds of one model.
    """

    group: Hashable
    model: str
    value: float
    n_deciding: float


@dataclass(frozen=True)
class ChoiceRule:
    """How the validation window chooses: for the table, an export, a promotion and a search alike.

    Models are ranked by the mean over their seeds, and the best seed stands for its model; of equals
    the first is chosen. Where fewer than `min_deciding` customers decide, the order is the default:
    the `baselines` in their order, then the others as they were given.
    """

    maximise: bool = True
    baselines: Sequence[str] = ()
    min_deciding: int = MIN_DECIDING

    def is_default(self, n_deciding: float) -> bool:
        """Whether too few customers decide; not where they were not counted."""
        return n_deciding < self.min_deciding

    def rank(self, runs: Iterable[Run], judge: Callable[[Run], Judged]) -> list[list[Run]]:
        """The runs of each model, first the model that is chosen, and of its runs first the best seed.

        Models whose mean is NaN are left out.
        """
        sign = 1 if self.maximise else -1
        judged = [(run, judge(run)) for run in runs]
        groups: dict[Hashable, list[tuple[Run, Judged]]] = {}
        for run, each in judged:
            groups.setdefault(each.group, []).append((run, each))
        means = {name: sign * fmean(each.value for _, each in g) for name, g in groups.items()}
        known = [name for name in groups if not math.isnan(means[name])]
        if self.is_default(least_deciding(each for _, each in judged)):
            known.sort(key=lambda name: self._place(groups[name][0][1].model))
        else:
            known.sort(key=lambda name: -means[name])
        return [
            [run for run, _ in sorted(groups[name], key=lambda pair: -sign * pair[1].value)]
            for name in known
        ]

    def _place(self, model: str) -> int:
        """The place of a model in the default order."""
        return self.baselines.index(model) if model in self.baselines else len(self.baselines)


def least_deciding(judged: Iterable[Judged]) -> float:
    """The least number of customers who decided on one of the runs; NaN where none was counted."""
    counted = [each.n_deciding for each in judged if not math.isnan(each.n_deciding)]
    return min(counted, default=math.nan)


def default_words(n_deciding: float, min_deciding: int) -> str:
    """Why a choice is by default."""
    who = "1 customer decides" if n_deciding == 1 else f"{n_deciding:.0f} customers decide"
    return f"{who} on the validation window, fewer than {min_deciding}"


def require_number(min_deciding: int) -> None:
    """Raise a `ConfigError` unless the setting is a number of customers."""
    if isinstance(min_deciding, bool) or not isinstance(min_deciding, int) or min_deciding < 0:
        raise ConfigError(
            f"task.min_deciding={min_deciding}: give a number of customers, 0: always choose"
        )
