"""The growth report: sections applied to a log, with figures of small groups withheld."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from growthlab.core.atomic_write import swap_folder
from growthlab.core.errors import ConfigError, near_matches, one_line
from growthlab.core.owned_folder import owned_folder
from growthlab.insight.disclosure import Bounds, protect_tables
from growthlab.insight.findings import Findings, ReportTable, Section, link_sections
from growthlab.insight.goal_progress import measure_goals
from growthlab.insight.goals import METRICS, Goal
from growthlab.insight.report.report_contents import GOALS, ReportContents, ReportPart
from growthlab.insight.report.report_page import report_html
from growthlab.insight.report_scope import ReportScope, SectionUnavailable
from growthlab.pages.notebook_html import page_html

log = logging.getLogger(__name__)

SHOWN_COUNTS = "counts.json"
CHAPTERS = (
    "At a glance",
    GOALS,
    "Growth",
    "Conversion",
    "Retention",
    "Repurchase",
    "Spending",
    "Customers",
    "Baskets and items",
    "Channels",
    "Satisfaction",
    "Data",
)


@dataclass(frozen=True)
class GrowthReport(ReportContents):
    """The report as tables, as a page of HTML, and as files."""

    shown: Bounds = field(default_factory=dict)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The rows of every table by its name; withheld cells are null."""
        return {table.name: table.rows for table in self.report_tables}

    @property
    def definitions(self) -> pd.DataFrame:
        """One row a column of a table: table, column, unit, definition, customers, withheld.

        `customers` names the columns with the number of customers behind the figures, `withheld`
        counts the cells that are withheld.
        """
        rows = [
            [
                t.name,
                name,
                c.unit,
                c.definition,
                ", ".join(dict.fromkeys(c.count_columns)),
                _n_hidden(t, name),
            ]
            for t in self.report_tables
            for name, c in t.columns.items()
        ]
        names = ["table", "column", "unit", "definition", "customers", "withheld"]
        return pd.DataFrame(rows, columns=names)

    def series(self) -> dict[str, list[float]]:
        """The growth figures of the whole months, the oldest first; NaN where withheld or unknown."""
        parts = [t for name, t in self.tables.items() if name in ("growth_by_month", "sales")]
        series: dict[str, list[float]] = {}
        for rows in parts:
            whole = rows[rows["complete"]]
            for name in (n for n in METRICS if n in whole):
                series[name] = whole[name].to_numpy(dtype=float, na_value=np.nan).tolist()
        return series

    def as_html(self) -> str:
        """The report as one HTML document that needs no other file."""
        return report_html(self)

    def _repr_html_(self) -> str:
        """The whole page, for a notebook."""
        return page_html(self.as_html(), self.title)

    def save(self, folder: str | Path) -> Path:
        """Write ``report.html``, a Parquet file a table under ``tables``, and ``definitions.json``.

        ``counts.json`` has the counts that a reader is shown, by which the next report in the folder
        sees to it that the two together reveal no small group.

        Tables of an earlier report in the folder are removed. Returns the path of the page.

        Raises
        ------
        ConfigError
            The folder cannot be written.
        """
        folder = Path(folder)
        try:
            with owned_folder(
                folder, "report"
            ) as new:  # written as a whole before anything changes
                (new / "tables").mkdir()
                for name, rows in self.tables.items():
                    rows.to_parquet(new / "tables" / f"{name}.parquet", index=False)
                described = self.definitions.to_dict("records")
                (new / "definitions.json").write_text(json.dumps(described, indent=1), "utf-8")
                bounds = [[name, *map(float, ends)] for name, ends in self.shown.items()]
                (new / SHOWN_COUNTS).write_text(json.dumps(bounds, indent=1), "utf-8")
                (new / "report.html").write_text(self.as_html(), encoding="utf-8")
                swap_folder(new / "tables", folder / "tables")
                for name in ("definitions.json", SHOWN_COUNTS, "report.html"):
                    (new / name).replace(folder / name)
        except OSError as error:
            why = f"output={folder} cannot be written ({error.strerror or one_line(error)})"
            raise ConfigError(f"{why}: choose another folder") from error
        return folder / "report.html"


def shown_before(folder: str | Path) -> Bounds:
    """What the report in a folder, if there is one, shows of counts: the least and the largest value."""
    try:
        bounds = json.loads((Path(folder) / SHOWN_COUNTS).read_text("utf-8"))
        return {str(name): (float(low), float(high)) for name, low, high in bounds}
    except (OSError, ValueError, TypeError):
        return {}


def build_report(
    title: str,
    scope: ReportScope,
    sections: Mapping[str, Section],
    goals: Sequence[Goal] = (),
    earlier: Bounds | None = None,
    language: str = "en",
) -> GrowthReport:
    """The findings of every section, with figures of fewer than `scope.min_group` customers withheld.

    A section that needs what the log lacks is left out, with the reason. `earlier` is what a report
    that readers have already shows of the same counts, see `shown_before`. `language` is the page's.

    Raises
    ------
    ConfigError
        An unknown chapter; settings or goals that the data refuses.
    """
    parts, left_out, sections = [], {}, link_sections(sections)
    if goals:
        found = _goal_findings(goals, scope, sections)
        parts.append(ReportPart("goals", GOALS, "Distance to the goals", found))
    for name, section in sections.items():
        if section.chapter not in CHAPTERS:
            hint = near_matches(section.chapter, CHAPTERS)
            raise ConfigError(f"section.{name} has an unknown chapter {section.chapter}: {hint}")
        started = time.perf_counter()
        try:
            findings = section.find(scope)
        except SectionUnavailable as error:
            left_out[name] = str(error)
            continue
        parts.append(ReportPart(name, section.chapter, section.title, findings))
        log.info("%s: %.1f s", name, time.perf_counter() - started)
    parts.sort(key=lambda part: CHAPTERS.index(part.chapter))
    started = time.perf_counter()
    protected, shown = _protected_parts(parts, scope, earlier)
    log.info("protection of small groups: %.1f s", time.perf_counter() - started)
    return GrowthReport(title, scope, protected, left_out, language, shown)


def _protected_parts(
    parts: Sequence[ReportPart], scope: ReportScope, earlier: Bounds | None
) -> tuple[tuple[ReportPart, ...], Bounds]:
    """The parts with figures of small groups withheld, decided for all tables at once."""
    tables = [table for part in parts for table in part.findings.tables]
    names = [table.name for table in tables]
    assert len(set(names)) == len(names), sorted(names)
    done = protect_tables(tables, scope.min_group, earlier)
    if done.given_away:
        log.warning(
            "%d small groups can be worked out from an earlier report in the folder",
            len(done.given_away),
        )
    by_name = {table.name: table for table in done.tables}
    protected = (
        replace(
            part,
            findings=replace(
                part.findings, tables=tuple(by_name[table.name] for table in part.findings.tables)
            ),
        )
        for part in parts
    )
    return tuple(protected), done.shown


def _goal_findings(
    goals: Sequence[Goal], scope: ReportScope, sections: Mapping[str, Section]
) -> Findings:
    note = (
        "Monthly figures, of the last whole month that was over at the deadline. A segment of a "
        "section, such as rfm=champions, is formed anew as of the first day of each month."
    )
    return Findings((measure_goals(goals, scope, sections),), (note,))


def _n_hidden(table: ReportTable, column: str) -> int:
    return 0 if table.hidden is None else int(table.hidden[column].sum())
