"""A bundle on a whole file: CSV or Parquet in, CSV or Parquet out, a block of rows at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from growthlab.core.errors import BundleError, ConfigError, DataError, near_matches
from growthlab.core.progress import progress
from growthlab.export.bundle import Bundle
from growthlab.export.tables import ANSWERS, predictions, recommendations, user_ids

BLOCK_ROWS = 20_000
Write = Callable[[pd.DataFrame], None]


def recommend_file(
    bundle: str | Path | Bundle, source: str | Path, target: str | Path, k: int = 10
) -> int:
    """Lists for every row of `source`, written to `target`; how many rows were written.

    `source` has a column ``user_id``, or ``history`` (item ids oldest first: a list, a JSON list,
    or joined by blanks), or both. `target` gets a row a listed item: ``row`` (of the source, from
    0), ``user_id``, ``item_id``, ``score``, ``rank``, ``served``. It appears only when it is
    complete.

    Raises
    ------
    BundleError
        The bundle is broken or answers another task.
    DataError
        The source is missing, unreadable or has none of these columns.
    ConfigError
        A file is neither CSV nor Parquet, the target cannot be written, or `k` is below 1.
    """
    if not isinstance(k, int) or k < 1:
        raise ConfigError(f"k must be a whole number of at least 1, got {k}")
    bundle = bundle if isinstance(bundle, Bundle) else Bundle.load(bundle)

    def answer(rows: pd.DataFrame, first: int) -> pd.DataFrame:
        found = recommendations(bundle, rows, k, first=first)
        listed = [
            (row, user, item.item, item.score, item.rank, answer.served)
            for row, (user, answer) in enumerate(
                zip(user_ids(rows), found, strict=True), start=first
            )
            for item in answer.items
        ]
        columns = ["row", "user_id", "item_id", "score", "rank", "served"]
        return _typed(pd.DataFrame(listed, columns=columns))

    return _transform(Path(source), Path(target), ("user_id", "history"), answer)


def score_file(bundle: str | Path | Bundle, source: str | Path, target: str | Path) -> int:
    """A prediction for every row of `source`, written to `target`; how many rows were written.

    `source` has a column ``user_id``, or columns of the model's features, or both: features that
    are given are taken instead of the stored ones. `target` gets ``row``, ``user_id``, the answer
    (``churn_probability`` or ``expected_value``) and ``served``. Raises as `recommend_file` does.
    """
    bundle = bundle if isinstance(bundle, Bundle) else Bundle.load(bundle)
    if bundle.predictor is None:
        raise BundleError(f"{bundle.folder} answers {bundle.manifest.task}, not churn or value")
    columns, answer_name = bundle.predictor.scorer.columns, ANSWERS[bundle.manifest.task]

    def answer(rows: pd.DataFrame, first: int) -> pd.DataFrame:
        found = predictions(bundle, rows, first)
        answers = {
            "row": range(first, first + len(rows)),
            "user_id": user_ids(rows),
            answer_name: [f.value for f in found],
            "served": [f.served for f in found],
        }
        return _typed(pd.DataFrame(answers))

    return _transform(Path(source), Path(target), ("user_id", *columns), answer)


def _transform(
    source: Path,
    target: Path,
    wanted: tuple[str, ...],
    answer: Callable[[pd.DataFrame, int], pd.DataFrame],
) -> int:
    """Read, answer and write block by block."""
    _kind(target)
    first = written = 0
    with _writer(target) as write:
        for rows in progress(_blocks(source), "answering"):
            if not set(wanted) & set(rows.columns):
                near = near_matches(wanted[0], rows.columns)
                raise DataError(
                    f"{source} has none of the columns {', '.join(wanted[:5])}; it has: {near}"
                )
            answers = answer(rows, first)
            write(answers)
            first, written = first + len(rows), written + len(answers)
        if not first:
            raise DataError(f"{source} has no rows")
    return written


def _kind(path: Path) -> str:
    """``csv`` or ``parquet``, by the file's name."""
    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("csv", "parquet"):
        raise ConfigError(f"{path} is neither .csv nor .parquet: give the file such a name")
    return kind


def _blocks(source: Path) -> Iterator[pd.DataFrame]:
    """The source's rows, some at a time; texts stay texts, so that ids keep their zeros."""
    if not source.is_file():
        raise DataError(f"there is no file {source}")
    try:
        if _kind(source) == "parquet":
            from pyarrow.parquet import ParquetFile

            with ParquetFile(source) as file:
                for batch in file.iter_batches(BLOCK_ROWS):
                    yield batch.to_pandas()
            return
        with pd.read_csv(
            source, dtype=str, keep_default_na=False, na_values=[""], chunksize=BLOCK_ROWS
        ) as reader:
            yield from reader
    except (ValueError, OSError) as error:
        if isinstance(error, (DataError, ConfigError, BundleError)):
            raise
        raise DataError(f"{source} cannot be read: {str(error).splitlines()[0]}") from error


@contextmanager
def _writer(target: Path) -> Iterator[Write]:
    """Appends blocks to a file beside the target, which takes its place at the end."""
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside.touch()
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error.strerror}") from error
    try:
        if _kind(target) == "csv":
            with beside.open("w", encoding="utf-8", newline="") as file:
                yield lambda rows: rows.to_csv(file, index=False, header=file.tell() == 0)
        else:
            with _parquet_writer(beside) as write:
                yield write
        beside.replace(target)
    except OSError as error:  # the disk is full, say; the source's own errors are DataErrors
        reason = error.strerror or str(error).partition("\n")[0]
        raise ConfigError(f"{target} cannot be written: {reason}") from error
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def _parquet_writer(path: Path) -> Iterator[Write]:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    writer: ParquetWriter | None = None

    def write(rows: pd.DataFrame) -> None:
        nonlocal writer
        table = pa.Table.from_pandas(rows, preserve_index=False)
        writer = writer or ParquetWriter(path, table.schema)
        writer.write_table(table)

    try:
        yield write
    finally:
        if writer is not None:
            writer.close()


def _typed(answers: pd.DataFrame) -> pd.DataFrame:
    """The same types in every block, whatever it holds."""
    kinds = {"row": "int64", "rank": "int32", "score": "float32"}
    texts = dict.fromkeys(("user_id", "item_id", "served"), "string")
    return answers.astype({c: k for c, k in (kinds | texts).items() if c in answers})
