"""What the tasks that learn from a randomised experiment share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, NoReturn

import numpy as np

from growthlab.bundle.answer_kinds import CHANCE, MONEY, NOT_SHOWN, SHOWN, TaskAnswer
from growthlab.core.claims import Claim
from growthlab.core.errors import ConfigError
from growthlab.data.arm_assignment import Assignment
from growthlab.data.labelled_table import LabelledTable
from growthlab.evaluation.outcome import Estimate
from growthlab.split.fold import Fold

NO_EXPERIMENT = (
    "has no randomised assignment, so nothing can be said about what an action changes "
    f"({Claim.INCREMENTAL}), only who will buy, leave or spend ({Claim.HEURISTIC}, with another task); an "
    "experiment is read with data=experiment_table"
)


class ExperimentTask:
    """A task whose data is a table of a randomised experiment with known propensities.

    Its metric `skill` is 1 where telling customers apart brings more than chance: `with_skill` says it
    as ``<subject> brings more than ...``, and `without_skill` what to do where it does not.
    """

    subject: ClassVar[str]
    with_skill: ClassVar[str]
    without_skill: ClassVar[str]

    def table_columns(self) -> tuple[str, ...]:
        """None: it reads no tables beside events."""
        return ()

    @property
    def why_no_events(self) -> str:
        """See `NeedsTable.why_no_events`."""
        return NO_EXPERIMENT

    def answer_as_evaluated(self, answer: TaskAnswer, values: Mapping[str, Estimate]) -> TaskAnswer:
        """See `AnswersAsEvaluated.answer_as_evaluated`: whether telling apart is more than chance."""
        tested, test = values.get("skill"), "(the metric skill)"
        if tested is None:
            skill, said = "", f"Whether {self.subject} is more than chance was not tested {test}."
        elif tested.value == 1:
            skill, said = SHOWN, f"{self.subject.capitalize()} {self.with_skill} {test}."
        else:
            skill = NOT_SHOWN
            said = f"NO SKILL IS SHOWN {test}: {self.subject} {self.without_skill}."
        return replace(answer, caveat=f"{said} {answer.caveat}", skill=skill)

    def data(self, fold: Fold, fitted_on: Any = None) -> NoReturn:
        """ConfigError: events without a randomised assignment say nothing about effects."""
        raise ConfigError(f"{fold.past.name} {self.why_no_events}")


def assignment_of(table: LabelledTable) -> Assignment:
    """The assignment of a table; ConfigError where there is none."""
    if table.assignment is None:
        raise ConfigError(f"{table.file or table.name} {NO_EXPERIMENT}")
    return table.assignment


def outcome_of(table: LabelledTable) -> str:
    """What effects on a table's label change: a chance where it is yes or no, else an amount."""
    return CHANCE if np.isin(table.label, (0, 1)).all() else MONEY


def task_for(n_arms: int) -> str:
    """The task that learns from an experiment with so many arms beside its control."""
    return "best_arm" if n_arms > 1 else "uplift"
