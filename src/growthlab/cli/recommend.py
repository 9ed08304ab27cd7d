"""growthlab recommend: batch use of a bundle on a CSV or Parquet file."""

from __future__ import annotations

from pathlib import Path

from growthlab.cli.compose import Composed
from growthlab.export.batch import recommend_file


def run(found: Composed) -> int:
    """Answer every row of the input file and write the output file."""
    config = found.config
    written = recommend_file(
        Path(config.bundle), Path(config.input), Path(config.output), k=found.config.k
    )
    print(f"{written:,} rows in {config.output}")
    return 0
