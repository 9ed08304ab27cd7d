"""growthlab portrait: a row of tags for every customer as of a cutoff, and the dictionary of tags."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from growthlab.cli.as_of import lineage_of, newest
from growthlab.cli.setting import cache_of
from growthlab.config.compose import Command
from growthlab.core.build import build
from growthlab.core.errors import ConfigError, DataError
from growthlab.core.moments import moment_of
from growthlab.core.whole_file import whole_file
from growthlab.data.source import Source
from growthlab.features.portrait.dictionary import as_markdown
from growthlab.features.portrait.portrait import Portrait, PortraitTable
from growthlab.features.portrait.tag import PARTS
from growthlab.tracking.files_run import files_run
from growthlab.tracking.store import Store

log = logging.getLogger(__name__)

NOT_OF_THE_RUN = ("tracking", "cache", "dictionary", "output")


def run(found: Command) -> int:
    """Write the portrait to a Parquet file and to a run in MLflow."""
    config = found.config
    if config.dictionary is not None:
        _write(_target(config.dictionary, "dictionary"), as_markdown().encode())
        print(f"tags in {config.dictionary}")
        return 0
    portrait, source, store = (build(config[k]) for k in ("portrait", "data", "tracking"))
    assert isinstance(portrait, Portrait)
    assert isinstance(source, Source)
    assert isinstance(store, Store)
    output = _target(config.output, "output", ".parquet")
    given = None if config.cutoff is None else moment_of(config.cutoff, "cutoff")
    events = source.prepare(cache_of(config))
    cutoff = given or newest(events).replace(microsecond=0) + timedelta(seconds=1)
    started = time.perf_counter()
    table = portrait.of(events, cutoff)
    log.info("%d portraits in %.1f s", len(table.frame), time.perf_counter() - started)
    lineage = lineage_of(source, events, found.name("data"), "portrait", cutoff)
    plain: Any = OmegaConf.to_container(config, resolve=True)
    logged = {k: v for k, v in plain.items() if k not in NOT_OF_THE_RUN}
    with files_run(store, lineage, logged, "portrait") as logged_run:
        for folder in (output.parent, logged_run.folder):
            _write_table(table, folder / output.name)
            _write(folder / f"{output.stem}_tags.md", as_markdown(table.tags).encode())
        logged_run.metrics |= {"customers": len(table.frame), "tags": len(table.tags)}
    _report(table, cutoff)
    print(f"portraits in {output}; run {logged_run.run_id} in {lineage.experiment}; "
          f"look: {store.how_to_look}")  # fmt: skip
    return 0


def _report(table: PortraitTable, cutoff: datetime) -> None:
    """How many customers and tags of each part there are, and which tags are not there and why."""
    counts = [f"{sum(t.part == part for t in table.tags)} of {part}" for part in PARTS]
    print(f"{len(table.frame):,} customers as of {cutoff}; tags: {', '.join(counts)}")
    sensitive = [tag.name for tag in table.tags if tag.sensitive]
    if sensitive:
        print(f"sensitive, no features unless named: {', '.join(sensitive)}")
    lacking: dict[str, list[str]] = {}
    for name, why in table.absent.items():
        lacking.setdefault(why, []).append(name)
    for why, names in lacking.items():
        print(f"absent, as the data has no {why}: {', '.join(names)}")


def _target(given: Any, setting: str, suffix: str = "") -> Path:
    """Where to write; ConfigError for a folder, or a file of another kind."""
    path = Path(str(given))
    if path.is_dir() or (suffix and path.suffix != suffix):
        kind = (
            f"a {suffix.removeprefix('.')} file, such as portrait{suffix}" if suffix else "a file"
        )
        raise ConfigError(f"{setting}={given}: give {kind}")
    return path


def _write_table(table: PortraitTable, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    written = pa.Table.from_pandas(table.frame, preserve_index=False)
    try:
        with whole_file(path) as file:
            pq.write_table(written, file)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}") from error


def _write(path: Path, content: bytes) -> None:
    try:
        with whole_file(path) as file:
            file.write(content)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}") from error
