"""What the tasks that learn from a randomised experiment share."""

from __future__ import annotations

from typing import Any, NoReturn

from growthlab.core.claims import Claim
from growthlab.core.errors import ConfigError
from growthlab.data.arm_assignment import Assignment
from growthlab.data.labelled_table import LabelledTable
from growthlab.split.fold import Fold

NO_EXPERIMENT = (
    "has no randomised assignment, so nothing can be said about what an action changes "
    f"({Claim.INCREMENTAL}), only who will buy, leave or spend ({Claim.HEURISTIC}, with another task); an "
    "experiment is read with data=experiment_table"
)


class ExperimentTask:
    """A task whose data is a table of a randomised experiment with known propensities."""

    def table_columns(self) -> tuple[str, ...]:
        """None: it reads no tables beside events."""
        return ()

    @property
    def why_no_events(self) -> str:
        """See `NeedsTable.why_no_events`."""
        return NO_EXPERIMENT

    def data(self, fold: Fold, fitted_on: Any = None) -> NoReturn:
        """ConfigError: events without a randomised assignment say nothing about effects."""
        raise ConfigError(f"{fold.past.name} {self.why_no_events}")


def assignment_of(table: LabelledTable) -> Assignment:
    """The assignment of a table; ConfigError where there is none."""
    if table.assignment is None:
        raise ConfigError(f"{table.file or table.name} {NO_EXPERIMENT}")
    return table.assignment


def task_for(n_arms: int) -> str:
    """The task that learns from an experiment with so many arms beside its control."""
    return "best_arm" if n_arms > 1 else "uplift"
