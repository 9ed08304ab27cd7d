"""growthlab recommend: lists from a bundle for every row of a CSV or Parquet file."""

from __future__ import annotations

from pathlib import Path

from omegaconf import OmegaConf

from growthlab.bundle.batch import recommend_file
from growthlab.cluster.batch_engine import batch_engine
from growthlab.config.compose import Command
from growthlab.ranking.rules import Rules


def run(command: Command) -> int:
    """Answer every row of the input file and write the output file."""
    config = command.config
    settings = OmegaConf.to_container(config.rules, resolve=True)
    assert isinstance(settings, dict)
    rules = Rules.of({str(name): value for name, value in settings.items()})
    written = recommend_file(
        Path(config.bundle),
        Path(config.input),
        Path(config.output),
        config.k,
        rules,
        config.filter_seen,
        batch_engine(config.engine, config.spark_master),
    )
    print(f"{written:,} rows in {config.output}")
    return 0
