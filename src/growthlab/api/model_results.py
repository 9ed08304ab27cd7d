"""What functions on models return: results that show themselves, and know the bench they come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import pandas as pd

from growthlab.core.errors import ConfigError, near_matches
from growthlab.evaluation.comparison import Comparison
from growthlab.evaluation.outcome import Estimate, Outcome
from growthlab.evaluation.text_report import RESULT_COLUMNS, model_result_lines, result_rows
from growthlab.pages.notebook_html import figure_html, lines_html, link_html, table_html
from growthlab.pages.text_table import format_number, metric_label
from growthlab.review.review_page import review_html
from growthlab.tasks.entry import Contender, label_of
from growthlab.workbench.review_inputs import customer_contents, write_page
from growthlab.workbench.workbench import Workbench


@dataclass(frozen=True, kw_only=True)
class Logged:
    """Where runs are in MLflow: their ids by model and seed, and the lines that lead there."""

    runs: Mapping[str, str] = field(default_factory=dict)
    lines: tuple[str, ...] = ()

    def run_of(self, outcome: Outcome) -> str:
        """The id of the run of an outcome; empty where nothing was logged."""
        return self.runs.get(label_of(outcome.name, outcome.seed), "")

    def html(self) -> str:
        """The lines, their addresses as links."""
        parts = [line.partition(": ") for line in self.lines]
        return "".join(
            link_html(label, value)
            if "://" in value[:8]
            else lines_html([f"{label}{colon}{value}"])
            for label, colon, value in parts
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class Compared(Comparison):
    """A comparison with the bench that it was made on, from which its models can be exported."""

    bench: Workbench
    contenders: tuple[Contender, ...] = ()
    logged: Logged = field(default_factory=Logged)

    @classmethod
    def of(
        cls,
        comparison: Comparison,
        bench: Workbench,
        contenders: tuple[Contender, ...],
        logged: Logged | None = None,
    ) -> Self:
        """The comparison, with what it was made of."""
        known = {f.name: getattr(comparison, f.name) for f in fields(Comparison)}
        return cls(**known, bench=bench, contenders=contenders, logged=logged or Logged())

    def outcome_of(self, model: str | None = None) -> Outcome:
        """The outcome of a model at the newest cutoff, of several seeds the first; None: of the winner.

        Raises
        ------
        ConfigError
            There is no such model in the comparison.
        """
        if model is None:
            return self.winner()
        if model not in self.models:
            raise ConfigError(f"model={model}: {near_matches(model, self.models)}")
        return self.models[model][0]

    def as_page(self) -> str:
        """The page of ``growthlab compare``: one HTML document that needs no other file."""
        return review_html(customer_contents(self.bench, self))

    def save(self, path: str | Path) -> Path:
        """Write the page to a file."""
        return write_page(self.as_page(), Path(path))

    def _repr_html_(self) -> str:
        return super()._repr_html_() + self.logged.html()


@dataclass(frozen=True, kw_only=True, repr=False)
class Trained:
    """One model, fitted to the whole past and evaluated once after the cutoff."""

    outcome: Outcome
    bench: Workbench
    logged: Logged = field(default_factory=Logged)

    @property
    def model(self) -> Any:
        """The fitted model."""
        return self.outcome.model

    @property
    def metrics(self) -> dict[str, Estimate]:
        """Every metric after the cutoff with its 95 % bounds; see `Outcome.test`."""
        return dict(self.outcome.test)

    def outcome_of(self, model: str | None = None) -> Outcome:
        """The only outcome, as `Compared.outcome_of`."""
        if model not in (None, self.outcome.name):
            raise ConfigError(f"model={model}: this is {self.outcome.name}")
        return self.outcome

    def __repr__(self) -> str:
        lines = model_result_lines(self.outcome, self.bench.task.objective, self.bench.columns)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Every metric and the first plot, for a notebook."""
        task, columns = self.bench.task, self.bench.columns
        rows = result_rows(self.outcome, task.objective, columns)
        cells = zip(*rows, strict=True)
        table = {name: list(values) for name, values in zip(RESULT_COLUMNS, cells, strict=True)}
        figures = task.figures(self.outcome, columns)
        shown = [figure_html(figure, name) for name, figure in list(figures.items())[:1]]
        title = f"{self.bench.data_name}: {task.name}, {self.outcome.name}"
        return lines_html([title]) + table_html(table) + "".join(shown) + self.logged.html()


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """The result of a search.

    `make` builds an unfitted estimator with the best `settings` (by config path, such as
    ``model.neighbours``), for the `models` of `compare`; `value` is the objective on the validation
    window; `trials` has one row a trial: its settings, ``state``, ``value`` and ``seconds`` of fitting.
    """

    model: str
    objective: str
    make: Callable[[], Any] = field(repr=False)
    settings: dict[str, Any]
    value: float
    trials: pd.DataFrame = field(repr=False)

    def _repr_html_(self) -> str:
        """The best settings and all trials, for a notebook."""
        best = f"best of {len(self.trials)} trials of {self.model}: {metric_label(self.objective)}"
        found = [f"{best} {format_number(self.value)} on the validation window"]
        settings = [f"{name}={value}" for name, value in self.settings.items()]
        cells = {
            str(name): [format_number(v) if isinstance(v, float) else str(v) for v in column]
            for name, column in self.trials.items()
        }
        return lines_html([*found, *settings]) + table_html(cells)
