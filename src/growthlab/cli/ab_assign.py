"""growthlab ab assign: the arm of each customer by a keyed hash."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from growthlab.bundle.table_files import format_of, write_block
from growthlab.config.compose import Command
from growthlab.core.assignment import arms_of_buckets, bucket_counts, buckets
from growthlab.core.atomic_write import atomic_path
from growthlab.core.errors import ConfigError, DataError, near_matches, quoted
from growthlab.core.plain_values import plain_values
from growthlab.core.pseudonyms import find_or_create_key
from growthlab.data.columns import as_ids
from growthlab.data.raw_tables import read_marked_table
from growthlab.data.readers.files import existing_file

HALVES = {"control": 0.5, "new": 0.5}


def run(command: Command) -> int:
    """Write a row a customer: user_id, experiment, arm and the probability of the arm."""
    config = command.config
    name = " ".join(str(config.name).split())
    if not name:
        raise ConfigError("name must not be empty: it is what makes the assignment its own")
    given = HALVES if config.arms is None else plain_values(config.arms)
    shares = {str(arm): share for arm, share in given.items()}
    bucket_counts(shares)
    source, target = existing_file(str(config.input), "input"), Path(str(config.output))
    kind = format_of(target)
    table, column = read_marked_table(source), str(config.user_id)
    if column not in table:
        near = near_matches(column, map(str, table))
        raise DataError(f"{source.name} has no column {quoted(column)} (user_id): {near}")
    ids = as_ids(table[column])
    if ids.isna().any():
        raise DataError(
            f"{int(ids.isna().sum()):,} of {len(ids):,} rows of {source.name} have no {column}"
        )
    customers = ids.drop_duplicates().tolist()
    arms = arms_of_buckets(buckets(find_or_create_key(), name, customers), shares).tolist()
    columns = {
        "user_id": customers,
        "experiment": [name] * len(arms),
        "arm": arms,
        "probability": np.array([shares[arm] for arm in arms]),
    }
    try:
        with atomic_path(target) as path:
            path.touch(mode=0o600)
            write_block(path, kind, columns, header=True)
    except OSError as error:
        raise ConfigError(f"output={target} cannot be written ({error.strerror})") from error
    counts = Counter(arms)
    sizes = ", ".join(f"{arm} {counts[arm]:,}" for arm in shares)
    print(f"{target}: {len(customers):,} customers of the experiment {name}: {sizes}")
    return 0
