"""Segments, tiers, triggers and audiences as of a date: a table for each section, a row a customer."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from growthlab.core.build import build
from growthlab.core.errors import ConfigError, DataError, one_line
from growthlab.core.owned_folder import owned_folder
from growthlab.core.visible_text import visible_text
from growthlab.data.event_log import EventLog
from growthlab.insight.findings import CustomerRowsSection, EvaluatedSection, Section, link_sections
from growthlab.pages.notebook_html import lines_html

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CustomerTables:
    """The tables of sections that have a row a customer.

    `tables` has the rows of each section by its name, `left_out` the reason for each section that
    the log cannot give, and `quality` the measures of each `EvaluatedSection` on held-out customers
    by ``section/measure``, such as ``lookalike/lift_on_later_seeds``.
    """

    tables: Mapping[str, pd.DataFrame]
    left_out: Mapping[str, str]
    quality: Mapping[str, float]

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics of the run: how many rows each table has, and the quality."""
        return {f"rows/{name}": len(rows) for name, rows in self.tables.items()} | {**self.quality}

    def _repr_html_(self) -> str:
        """The first rows of each table, and why others are missing, for a notebook."""
        parts = [
            lines_html([f"{name}: {len(rows):,} rows"]) + rows.head().to_html(index=False)
            for name, rows in self.tables.items()
        ]
        left_out = [f"left out: {name}: {why}" for name, why in self.left_out.items()]
        return "".join([*parts, lines_html(left_out)])

    def save(self, folder: Path) -> list[Path]:
        """Write a Parquet file a table and return the paths; files of an earlier call are removed.

        Raises
        ------
        ConfigError
            The folder cannot be written.
        """
        paths = {name: folder / f"{name}.parquet" for name in self.tables}
        try:
            with owned_folder(
                folder, "tables"
            ) as new:  # written as a whole before anything changes
                for name, path in paths.items():
                    self.tables[name].to_parquet(new / path.name, index=False)
                for old in set(folder.glob("*.parquet")) - set(paths.values()):
                    old.unlink()
                for path in paths.values():
                    (new / path.name).replace(path)
        except OSError as error:
            why = f"output={folder} cannot be written ({error.strerror or one_line(error)})"
            raise ConfigError(f"{why}: choose another folder") from error
        return list(paths.values())

    def summary(self, folder: Path) -> str:
        """A line a table saved in `folder`, a figure of quality, and a section left out."""
        return "\n".join(map(visible_text, self._lines(folder)))

    def _lines(self, folder: Path) -> Iterator[str]:
        for name, rows in self.tables.items():
            yield f"{name}: {len(rows):,} rows in {folder / name}.parquet"
        for figure, value in self.quality.items():
            yield f"{figure}: {value:.3g}, measured on customers held out"
        for name, why in self.left_out.items():
            yield f"left out: {name}: {why}"


def customer_sections(nodes: Mapping[str, Any], *, named: bool) -> dict[str, CustomerRowsSection]:
    """The sections of config nodes that have a row a customer.

    `named` says whether these sections were requested by name.

    Raises
    ------
    ConfigError
        There are none, or one that was requested by name has no row a customer.
    """
    if not nodes:
        raise ConfigError("section=[] leaves nothing to make: name some sections, or none")
    sections = {str(n): build(node, Section, f"section.{n}") for n, node in nodes.items()}
    linked = link_sections(sections)
    chosen = {
        n: section for n, section in linked.items() if isinstance(section, CustomerRowsSection)
    }
    others = [name for name in linked if name not in chosen]
    if others and named:
        raise ConfigError(f"section={others[0]} has no row a customer: leave it out")
    return chosen


def customer_tables(
    sections: Mapping[str, CustomerRowsSection], events: EventLog, as_of: datetime
) -> CustomerTables:
    """The rows of each section as of the end of `past_in_calendar`; one that the log cannot give is left out.

    Raises
    ------
    DataError
        No section is left.
    """
    tables: dict[str, pd.DataFrame] = {}
    left_out: dict[str, str] = {}
    for name, section in sections.items():
        started = time.perf_counter()
        try:
            rows = section.customers(events, as_of)
        except DataError as error:
            left_out[name] = str(error)
            continue
        tables[name] = _plain_columns(rows)
        log.info("%s: %d rows in %.1f s", name, len(rows), time.perf_counter() - started)
    if not tables:
        name, why = next(iter(left_out.items()))
        place = f"section.{name}"
        raise DataError(why if why.startswith(place) else f"{place}: {why}")
    quality = {
        f"{name}/{figure}": value
        for name in tables
        if isinstance(section := sections[name], EvaluatedSection)
        for figure, value in section.quality(events, as_of).items()
    }
    return CustomerTables(tables, left_out, quality)


def _plain_columns(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with ``user_id`` as a column, and categories as texts."""
    rows = rows if "user_id" in rows else rows.reset_index()
    categories = rows.select_dtypes("category").columns
    return rows.astype(dict.fromkeys(categories, pd.StringDtype(na_value=np.nan)))
