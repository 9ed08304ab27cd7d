"""The report: sections applied to a log, without what would tell on a few customers."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, near_matches
from growthlab.insight.findings import Findings, ReportTable, Section, link_sections
from growthlab.insight.goals import METRICS, Goal, measured
from growthlab.insight.report.report_contents import ReportContents, ReportPart
from growthlab.insight.report.report_page import report_html
from growthlab.insight.scope import Scope, Unavailable

log = logging.getLogger(__name__)

GOALS = "Goals"
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
)


@dataclass(frozen=True)
class GrowthReport(ReportContents):
    """What is in it, as tables, as a page, and as files."""

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The rows of every table by its name; what was withheld is null."""
        return {table.name: table.rows for table in self.report_tables}

    @property
    def definitions(self) -> pd.DataFrame:
        """One row a column of a table: table, column, unit, definition, customers, withheld.

        `customers` names the columns with the number of customers behind it, `withheld` counts the
        cells that rest on too few.
        """
        rows = [
            [
                t.name,
                name,
                c.unit,
                c.definition,
                ", ".join(dict.fromkeys(c.behind)),
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
        found: dict[str, list[float]] = {}
        for rows in parts:
            whole = rows[rows["complete"]]
            for name in (n for n in METRICS if n in whole):
                found[name] = whole[name].to_numpy(dtype=float, na_value=np.nan).tolist()
        return found

    def as_html(self) -> str:
        """One page that needs nothing but itself."""
        return report_html(self)

    def save(self, folder: str | Path) -> Path:
        """``report.html``, a Parquet file a table under ``tables``, and ``definitions.json``.

        Tables of an earlier report in the folder go. Gives the path of the page.

        Raises
        ------
        ConfigError
            The folder cannot be written.
        """
        folder = Path(folder)
        tables = folder / "tables"
        try:
            tables.mkdir(parents=True, exist_ok=True)
            for old in tables.glob("*.parquet"):
                old.unlink()
            for name, rows in self.tables.items():
                rows.to_parquet(tables / f"{name}.parquet", index=False)
            described = self.definitions.to_dict("records")
            (folder / "definitions.json").write_text(json.dumps(described, indent=1), "utf-8")
            path = folder / "report.html"
            path.write_text(self.as_html(), encoding="utf-8")
        except OSError as error:
            why = f"output={folder} cannot be written ({error.strerror})"
            raise ConfigError(f"{why}: choose another folder") from error
        return path


def build_report(
    title: str, scope: Scope, sections: Mapping[str, Section], goals: Sequence[Goal] = ()
) -> GrowthReport:
    """Every section's findings without figures of fewer than `scope.min_group` customers.

    A section that needs what the log does not hold is left out, with the reason.

    Raises
    ------
    ConfigError
        A chapter that there is not; settings or goals that the data refuses.
    """
    parts, left_out, sections = [], {}, link_sections(sections)
    if goals:
        parts.append(
            _part("goals", GOALS, "Distance to the goals", _goals(goals, scope, sections), scope)
        )
    for name, section in sections.items():
        if section.chapter not in CHAPTERS:
            hint = near_matches(section.chapter, CHAPTERS)
            raise ConfigError(f"section.{name} has an unknown chapter {section.chapter}: {hint}")
        started = time.perf_counter()
        try:
            findings = section.find(scope)
        except Unavailable as error:
            left_out[name] = str(error)
            continue
        parts.append(_part(name, section.chapter, section.title, findings, scope))
        log.info("%s: %.1f s", name, time.perf_counter() - started)
    parts.sort(key=lambda part: CHAPTERS.index(part.chapter))
    names = [table.name for part in parts for table in part.findings.tables]
    assert len(set(names)) == len(names), sorted(names)
    return GrowthReport(title, scope, tuple(parts), left_out)


def _goals(goals: Sequence[Goal], scope: Scope, sections: Mapping[str, Section]) -> Findings:
    note = (
        "Monthly figures, of the last whole month. A target that lies outside of what history allows "
        "is refused before a report is made. A segment of a section, such as rfm=champions, is made "
        "anew as of the first day of each month."
    )
    return Findings((measured(goals, scope, sections),), (note,))


def _part(name: str, chapter: str, title: str, findings: Findings, scope: Scope) -> ReportPart:
    shown = tuple(table.protected(scope.min_group) for table in findings.tables)
    return ReportPart(name, chapter, title, Findings(shown, findings.notes))


def _n_hidden(table: ReportTable, column: str) -> int:
    return 0 if table.hidden is None else int(table.hidden[column].sum())
