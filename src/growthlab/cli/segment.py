"""growthlab segment: segments, tiers, triggers and lookalikes as of a date, a row a customer."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import OmegaConf

from growthlab.cli.as_of import end_of_day, lineage_of, newest
from growthlab.cli.setting import cache_of
from growthlab.config.compose import Command
from growthlab.core.build import build
from growthlab.core.errors import ConfigError, DataError
from growthlab.core.moments import moment_of
from growthlab.data.event_log import EventLog
from growthlab.data.source import Source
from growthlab.insight.findings import beside_each_other
from growthlab.tracking.files_run import files_run
from growthlab.tracking.store import Store

log = logging.getLogger(__name__)

NOT_OF_THE_RUN = ("tracking", "cache", "output")


def run(found: Command) -> int:
    """Write a Parquet file a section to ``output``/<data>, and to a run in MLflow."""
    config = found.config
    sections = sections_of(found)
    source, store = build(config.data), build(config.tracking)
    assert isinstance(source, Source)
    assert isinstance(store, Store)
    given = None if config.as_of is None else moment_of(config.as_of, "as_of")
    name = found.name("data")
    events = source.prepare(cache_of(config))
    as_of = _after_the_first(given or end_of_day(newest(events)), events)
    tables, left_out = made_of(sections, events, as_of)
    figures = quality_of({name: sections[name] for name in tables}, events, as_of)
    folder = Path(str(config.output)) / name
    _save(tables, folder)
    lineage = lineage_of(source, events, name, "segment", as_of)
    plain: Any = OmegaConf.to_container(config, resolve=True)
    logged = {k: v for k, v in plain.items() if k not in NOT_OF_THE_RUN}
    with files_run(store, lineage, logged, "segment") as logged_run:
        for section in tables:
            shutil.copy(folder / f"{section}.parquet", logged_run.folder)
        logged_run.metrics |= {f"rows/{section}": len(rows) for section, rows in tables.items()}
        logged_run.metrics |= figures
    for section, rows in tables.items():
        print(f"{section}: {len(rows):,} rows in {folder / section}.parquet")
    for figure, value in figures.items():
        print(f"{figure}: {value:.3g}, measured on customers held out")
    for section, why in left_out.items():
        print(f"not made: {section}: {why}")
    print(f"as of {as_of}; run {logged_run.run_id} in {lineage.experiment}; "
          f"look: {store.how_to_look}")  # fmt: skip
    return 0


def _after_the_first(as_of: datetime, events: EventLog) -> datetime:
    """The same moment; DataError where nothing had happened by then."""
    last = newest(events)
    first, _ = events.span()
    assert isinstance(first, datetime)
    if as_of <= first:
        raise DataError(
            f"nobody did anything before as_of={as_of}: the events of {events.name} are from "
            f"{first} to {last}; choose a later date"
        )
    return as_of


def sections_of(found: Command) -> dict[str, Any]:
    """The sections that say something of single customers; others only where none is named.

    Raises
    ------
    ConfigError
        None is left, or one that is named is about all customers together.
    """
    nodes = found.config.get("section") or {}
    sections = {str(n): build(node, f"section.{n}") for n, node in nodes.items()}
    silent = [name for name, section in sections.items() if not hasattr(section, "customers")]
    if silent and any(word.startswith("section=") for word in found.given):
        raise ConfigError(f"section={silent[0]} has no row a customer: leave it out")
    if not sections:
        raise ConfigError("section=[] leaves nothing to make: name some sections, or none")
    made = beside_each_other(sections)
    return {name: section for name, section in made.items() if name not in silent}


def made_of(
    sections: Mapping[str, Any], events: EventLog, as_of: datetime
) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """The rows of each section by its name, and why others could not be made.

    Raises
    ------
    DataError
        None could be made.
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
        rows = rows if "user_id" in rows else rows.reset_index()
        words = rows.select_dtypes("category").columns
        tables[name] = rows.astype(dict.fromkeys(words, pd.StringDtype(na_value=np.nan)))
        log.info("%s: %d rows in %.1f s", name, len(rows), time.perf_counter() - started)
    if not tables:
        name, why = next(iter(left_out.items()))
        place = f"section.{name}"
        raise DataError(why if why.startswith(place) else f"{place}: {why}")
    return tables, left_out


def quality_of(sections: Mapping[str, Any], events: EventLog, as_of: datetime) -> dict[str, float]:
    """What sections measure of themselves, by ``section/figure``, such as ``lookalike/lift``."""
    return {
        f"{name}/{figure}": value
        for name, section in sections.items()
        if hasattr(section, "quality")
        for figure, value in section.quality(events, as_of).items()
    }


def _save(tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """A Parquet file a table; those of an earlier call go."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.parquet"):
            old.unlink()
        for name, rows in tables.items():
            rows.to_parquet(folder / f"{name}.parquet", index=False)
    except OSError as error:
        why = f"output={folder} cannot be written ({error.strerror})"
        raise ConfigError(f"{why}: choose another folder") from error
