"""growthlab score: predictions from a bundle for every row of a CSV or Parquet file."""

from __future__ import annotations

from pathlib import Path

from growthlab.bundle.batch import score_file
from growthlab.cluster.batch_engine import batch_engine
from growthlab.config.compose import Command


def run(command: Command) -> int:
    """Answer every row of the input file and write the output file."""
    config = command.config
    engine = batch_engine(config.engine, config.spark_master)
    written = score_file(Path(config.bundle), Path(config.input), Path(config.output), engine)
    print(f"{written:,} rows in {config.output}")
    return 0
