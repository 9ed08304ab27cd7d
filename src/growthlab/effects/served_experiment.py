"""Challenger against champion in a service's request log: who was served by which, and what followed."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from growthlab.core.errors import ConfigError, DataError, near_matches, quoted
from growthlab.core.file_settings import INPUT_FILE
from growthlab.effects.experiment_data import ARM, EXPOSED, USER
from growthlab.effects.outcome_events import TIME
from growthlab.monitoring.log_reader import (
    EVENTS,
    Feedback,
    Line,
    LogPeriod,
    LogReading,
    answer_blocks,
    is_answer,
    log_files,
)

CHAMPION, CHALLENGER, SHADOW = "champion", "challenger", "shadow"
REQUEST = "request"


class ServedCustomers(NamedTuple):
    """The first answer to each customer with its arm, every answer with its feedback, and notes.

    `versions` are those of the bundles that answered, by arm.
    """

    exposures: pd.DataFrame
    outcomes: pd.DataFrame
    facts: list[str]
    versions: dict[str, list[str]]


@dataclass(frozen=True, kw_only=True)
class RequestLogInput:
    """The request log, the period of its answers that count, and the task of its challenger."""

    log: str | None = field(default=None, metadata=INPUT_FILE)
    since: str | None = None
    until: str | None = None
    task: str | None = None

    def read(self) -> ServedCustomers:
        """Answers to known customers; the outcomes are request, impression, click and order.

        A customer belongs to the arm that the service assigned, also where the champion stood in for
        a challenger that refused.

        Raises
        ------
        ConfigError, DataError
            No log, none of its answers by a challenger, or challengers of several tasks.
        """
        path = Path(str(self.log))
        files = log_files(path)
        feedback, reading, rows = Feedback(files), LogReading(), []
        anonymous: Counter[str] = Counter()
        versions: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for block in answer_blocks(files, LogPeriod.of(self.since, self.until), reading):
            lines = [line for line in block if line["variant"] != SHADOW and is_answer(line)]
            had = feedback.of([line["request_id"] for line in lines])
            for place, line in enumerate(lines):
                versions[str(line.get("task")), str(line["variant"])].add(str(line.get("version")))
                if not isinstance(line.get("user"), str):
                    anonymous[str(line.get("task"))] += 1
                    continue
                followed = (float(had[event][place]) for event in EVENTS)
                rows.append(
                    (str(line.get("task")), line["user"], _arm(line), line["time"], *followed)
                )
        answers = pd.DataFrame(rows, columns=["task", USER, ARM, TIME, *EVENTS])
        if answers.empty:
            raise DataError(f"log={path} has no answer to a known customer in this period")
        task = self._task(answers)
        answers = answers[answers["task"] == task].drop(columns="task").reset_index(drop=True)
        answers[TIME] = pd.to_datetime(answers[TIME], utc=True).dt.tz_localize(None)
        exposures = answers.groupby([USER, ARM])[TIME].min().rename(EXPOSED).reset_index()
        outcomes = answers.drop(columns=ARM).assign(**{REQUEST: 1.0})
        facts = [f"answers of the task {task} from the request log {path.name}"]
        if n := anonymous[task]:
            facts.append(f"{n:,} answers to unknown customers are left out")
        answered = {
            arm: sorted(versions[task, arm])
            for arm in (CHAMPION, CHALLENGER)
            if (task, arm) in versions
        }
        return ServedCustomers(exposures, outcomes, facts, answered)

    def _task(self, answers: pd.DataFrame) -> str:
        """The task whose challenger is compared."""
        challenged = sorted(answers.loc[answers[ARM] == CHALLENGER, "task"].unique())
        if not challenged:
            raise DataError(
                f"log={self.log} has no answer by a challenger: serve one with challenger=FOLDER "
                "and challenger_share=0.1"
            )
        if self.task is None:
            if len(challenged) > 1:
                raise ConfigError(
                    f"log={self.log} has challengers of several tasks: choose one with log_task, "
                    f"of {', '.join(challenged)}"
                )
            return str(challenged[0])
        if self.task not in challenged:
            raise ConfigError(
                f"log_task={quoted(self.task)} has no challenger in the log: "
                f"{near_matches(self.task, challenged)}"
            )
        return self.task


def _arm(line: Line) -> str:
    """The arm that the customer was assigned to; logs of earlier versions name who answered alone."""
    return str(line.get("assigned") or line["variant"])
