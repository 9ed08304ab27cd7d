"""Answers to a whole file of requests: CSV or Parquet in and out, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from growthlab.bundle.answer_table import (
    REQUEST_COLUMNS,
    RequestRows,
    columns_of_lists,
    columns_of_numbers,
    predictions,
    recommendations,
)
from growthlab.bundle.answers import RecommendRequest
from growthlab.bundle.bundle import Bundle
from growthlab.bundle.finished_blocks import finished_blocks
from growthlab.bundle.list_maker import NO_RULES
from growthlab.bundle.table_files import (
    format_of,
    join_blocks,
    n_blocks,
    read_blocks,
    write_block,
)
from growthlab.core.errors import ConfigError, DataError, near_matches
from growthlab.core.progress import progress
from growthlab.ranking.rules import Rules

BLOCK_ROWS = 20_000


@dataclass(frozen=True)
class BatchJob:
    """What each row of a file is answered with, and as what the answers are written."""

    kind: str  # csv or parquet
    k: int | None = None  # of a list; None: a number is the answer
    rules: Rules = NO_RULES
    filter_seen: str | None = None

    def write(self, bundle: Bundle, rows: RequestRows, path: Path) -> int:
        """Write the answers to a block of rows; how many rows these are."""
        if self.k is None:
            answers = predictions(bundle, rows)
            columns = columns_of_numbers(rows, answers, bundle.manifest.answer.field)
        else:
            lists = recommendations(bundle, rows, self.k, self.filter_seen, self.rules)
            columns = columns_of_lists(rows, lists)
        return write_block(path, self.kind, columns, header=rows.first == 0)


class BatchEngine(Protocol):
    """Where the blocks of a file are answered."""

    def writers(
        self, job: BatchJob, bundle: Bundle, blocks: Iterable[RequestRows]
    ) -> Iterator[Callable[[Path], int]]:
        """For each block, in their order, what writes its answers to a path and says how many rows."""
        ...


class ThisProcess:
    """Blocks are answered one after the other where the command runs."""

    def writers(
        self, job: BatchJob, bundle: Bundle, blocks: Iterable[RequestRows]
    ) -> Iterator[Callable[[Path], int]]:
        """See `BatchEngine.writers`."""
        for rows in blocks:
            yield partial(job.write, bundle, rows)


def recommend_file(
    bundle: str | Path | Bundle,
    source: str | Path,
    target: str | Path,
    k: int = 10,
    rules: Rules = NO_RULES,
    filter_seen: str | None = None,
    engine: BatchEngine | None = None,
) -> int:
    """Lists for every row of `source`, written to `target`; how many rows were written.

    `source` has some of the columns ``user_id``, ``history`` (item ids oldest first: a list, a JSON
    list, or joined by blanks), ``item``, ``basket`` (like a history) and ``personalised``; see
    `RecommendRequest`. `target` gets a row a listed item: ``row`` (of the source, from 0),
    ``user_id``, ``item_id``, ``score``, ``rank``, ``served``, ``level``, ``reason``. `rules` hold
    for all rows, and so does `filter_seen` (None: the policy that the bundle was evaluated
    with). The target appears only when it is complete; after a kill, the next call continues where the
    last one was. `engine` says where rows are answered (None: here), and changes no byte of the target.

    Raises
    ------
    BundleError
        The bundle is broken, does not answer with lists, or cannot follow the rules.
    DataError
        The source is missing or unreadable, or has none of these columns.
    ConfigError
        A file is neither CSV nor Parquet, the target cannot be written, or `k` is below 1.
    """
    if not isinstance(k, int) or k < 1:
        raise ConfigError(f"k must be a whole number of at least 1, got {k}")
    bundle = bundle if isinstance(bundle, Bundle) else Bundle.load(bundle)
    # a bundle that gives no lists, or a wrong policy, shows before any work is done
    bundle.recommend([RecommendRequest(filter_seen=filter_seen)], k, rules)
    job = BatchJob(format_of(Path(target)), k, rules, filter_seen)
    seen = filter_seen or bundle.manifest.filter_seen
    about = f"lists of {k} by {state_of(bundle)} under {rules}, {seen} left out"
    answers = partial((engine or ThisProcess()).writers, job, bundle)
    return _transform(Path(source), Path(target), REQUEST_COLUMNS, answers, about)


def score_file(
    bundle: str | Path | Bundle,
    source: str | Path,
    target: str | Path,
    engine: BatchEngine | None = None,
) -> int:
    """A prediction for every row of `source`, written to `target`; how many rows were written.

    `source` has a column ``user_id``, or columns of the model's features, or both: features of
    the file replace the stored ones. `target` gets ``row``, ``user_id``, the number
    under the name that the bundle's task gives it (such as ``churn_probability``) and ``served``; where
    the model compares actions also the best ``arm``, and what each changes, as ``effect_<arm>``.
    Raises as `recommend_file` does.
    """
    bundle = bundle if isinstance(bundle, Bundle) else Bundle.load(bundle)
    bundle.predict([])  # a bundle that gives no numbers shows before any work is done
    assert bundle.predictor is not None
    about = f"{bundle.manifest.answer.field} by {state_of(bundle)}"
    answers = partial((engine or ThisProcess()).writers, BatchJob(format_of(Path(target))), bundle)
    wanted = ("user_id", *bundle.predictor.scorer.columns)
    return _transform(Path(source), Path(target), wanted, answers, about)


def state_of(bundle: Bundle) -> str:
    """What the answers of a bundle depend on: its version, and whether known users can be looked up."""
    return f"{bundle.manifest.version} ({bundle.no_lookup or 'with known users'})"


def _transform(
    source: Path,
    target: Path,
    wanted: tuple[str, ...],
    answers: Callable[[Iterable[RequestRows]], Iterator[Callable[[Path], int]]],
    about: str,
) -> int:
    """Read and answer block by block; finished blocks wait next to the target until all are there."""
    kind = format_of(target)
    if not source.is_file():
        raise DataError(f"there is no file {source}")
    if target.exists() and target.samefile(source):
        raise ConfigError(f"output={target} is the input: give another file")
    stat = source.stat()
    identity = f"{about} for {source.resolve()} {stat.st_size} {stat.st_mtime_ns} {BLOCK_ROWS}"
    with finished_blocks(target, identity) as parts:
        for write in answers(_blocks_from(source, wanted, len(parts.rows))):
            parts.add(write)
        return parts.joined(partial(join_blocks, kind=kind))


def _blocks_from(source: Path, wanted: tuple[str, ...], n_done: int) -> Iterator[RequestRows]:
    """The blocks of the source but the first `n_done`."""
    first = 0
    blocks = progress(
        read_blocks(source, BLOCK_ROWS), "answering", total=n_blocks(source, BLOCK_ROWS)
    )
    for number, (columns, n_rows) in enumerate(blocks):
        if not set(wanted) & set(columns):
            near = near_matches(wanted[0], columns)
            raise DataError(f"{source} has none of the columns {', '.join(wanted[:5])}: {near}")
        if number >= n_done:
            yield RequestRows(columns, n_rows, first)
        first += n_rows
    if not first:
        raise DataError(f"{source} has no rows")
