"""The contents of a report: parts by chapter, each with the findings of one section."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from growthlab.insight.findings import Findings, ReportTable
from growthlab.insight.report_scope import ReportScope

GOALS = "Goals"  # the chapter


@dataclass(frozen=True)
class ReportPart:
    """The findings of one section, with figures of small groups withheld."""

    name: str
    chapter: str
    title: str
    findings: Findings


@dataclass(frozen=True)
class ReportContents:
    """All parts by chapter, and the reason for each section that was left out; `language` is the page's."""

    title: str
    scope: ReportScope
    parts: tuple[ReportPart, ...]
    left_out: Mapping[str, str]
    language: str = "en"

    @property
    def report_tables(self) -> list[ReportTable]:
        """Every table, in the order of the report."""
        return [table for part in self.parts for table in part.findings.tables]

    @property
    def n_hidden(self) -> int:
        """How many cells of all tables are withheld."""
        return sum(table.n_hidden for table in self.report_tables)
