"""A bundle on a whole file: CSV or Parquet in, CSV or Parquet out, a block of rows at a time."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pandas as pd

from growthlab.bundle.answer_table import ANSWERS, ASKED, predictions, recommendations, user_ids
from growthlab.bundle.answers import RecommendRequest
from growthlab.bundle.bundle import Bundle
from growthlab.bundle.finished_blocks import finished_blocks
from growthlab.bundle.list_maker import NO_RULES
from growthlab.core.errors import BundleError, ConfigError, DataError, near_matches
from growthlab.core.progress import progress
from growthlab.ranking.rules import Rules

BLOCK_ROWS = 20_000


def recommend_file(
    bundle: str | Path | Bundle,
    source: str | Path,
    target: str | Path,
    k: int = 10,
    rules: Rules = NO_RULES,
    filter_seen: str | None = None,
) -> int:
    """Lists for every row of `source`, written to `target`; how many rows were written.

    `source` has some of the columns ``user_id``, ``history`` (item ids oldest first: a list, a JSON
    list, or joined by blanks), ``item``, ``basket`` (like a history) and ``personalised``; see
    `RecommendRequest`. `target` gets a row a listed item: ``row`` (of the source, from 0),
    ``user_id``, ``item_id``, ``score``, ``rank``, ``served``, ``level``, ``reason``. `rules` hold
    for all rows, and so does `filter_seen` (None: the policy that the bundle was evaluated
    with). The target appears only when it is complete; killed and called again, it goes on where it
    was.

    Raises
    ------
    BundleError
        The bundle is broken or answers another task, or cannot follow the rules.
    DataError
        The source is missing, unreadable or has none of these columns.
    ConfigError
        A file is neither CSV nor Parquet, the target cannot be written, or `k` is below 1.
    """
    if not isinstance(k, int) or k < 1:
        raise ConfigError(f"k must be a whole number of at least 1, got {k}")
    bundle = bundle if isinstance(bundle, Bundle) else Bundle.load(bundle)
    # a bundle of another task, or a wrong policy, shows before any work is done
    bundle.recommend([RecommendRequest(filter_seen=filter_seen)], k, rules)

    def answer(rows: pd.DataFrame, first: int) -> pd.DataFrame:
        found = recommendations(bundle, rows, k, filter_seen, first=first, rules=rules)
        listed = [
            (row, user, i.item, i.score, i.rank, answer.served, answer.level, i.reason)
            for row, (user, answer) in enumerate(
                zip(user_ids(rows), found, strict=True), start=first
            )
            for i in answer.items
        ]
        columns = ["row", "user_id", "item_id", "score", "rank", "served", "level", "reason"]
        return _typed(pd.DataFrame(listed, columns=columns))

    seen = filter_seen or bundle.manifest.filter_seen
    about = f"lists of {k} by {_state_of(bundle)} under {rules}, {seen} left out"
    return _transform(Path(source), Path(target), ASKED, answer, about)


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

    about = f"{answer_name} by {_state_of(bundle)}"
    return _transform(Path(source), Path(target), ("user_id", *columns), answer, about)


def _state_of(bundle: Bundle) -> str:
    """What of a bundle its answers rest on: its version, and whether it finds known users."""
    return f"{bundle.manifest.version} ({bundle.no_lookup or 'with known users'})"


def _transform(
    source: Path,
    target: Path,
    wanted: tuple[str, ...],
    answer: Callable[[pd.DataFrame, int], pd.DataFrame],
    about: str,
) -> int:
    """Read and answer block by block; finished blocks lie beside the target until all are there."""
    kind = _kind(target)
    if not source.is_file():
        raise DataError(f"there is no file {source}")
    if target.exists() and target.samefile(source):
        raise ConfigError(f"output={target} is the input: give another file")
    stat = source.stat()
    identity = f"{about} for {source.resolve()} {stat.st_size} {stat.st_mtime_ns} {BLOCK_ROWS}"
    with finished_blocks(target, identity) as parts:
        first = 0
        blocks = progress(_blocks(source), "answering", total=_n_blocks(source))
        for number, rows in enumerate(blocks):
            if not set(wanted) & set(rows.columns):
                near = near_matches(wanted[0], rows.columns)
                raise DataError(f"{source} has none of the columns {', '.join(wanted[:5])}: {near}")
            if number >= len(parts.rows):
                parts.add(partial(_write, kind, answer(rows, first), number), len(rows))
            first += len(rows)
        if not first:
            raise DataError(f"{source} has no rows")
        return parts.joined(partial(_join, kind))


def _write(kind: str, answers: pd.DataFrame, number: int, path: Path) -> int:
    """One block as a file; how many rows it has."""
    if kind == "csv":
        answers.to_csv(path, index=False, header=number == 0)
    else:
        answers.to_parquet(path, index=False)
    return len(answers)


def _join(kind: str, parts: list[Path], path: Path) -> None:
    """The blocks one behind the other."""
    if kind == "csv":
        with path.open("wb") as out:
            for part in parts:
                with part.open("rb") as block:
                    shutil.copyfileobj(block, out)
        return
    from pyarrow.parquet import ParquetWriter, read_schema, read_table

    with ParquetWriter(path, read_schema(parts[0])) as writer:
        for part in parts:
            writer.write_table(read_table(part))


def _kind(path: Path) -> str:
    """``csv`` or ``parquet``, by the file's name."""
    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("csv", "parquet"):
        raise ConfigError(f"{path} is neither .csv nor .parquet: give the file such a name")
    return kind


def _n_blocks(source: Path) -> int | None:
    """How many blocks there are, where the file says so."""
    if _kind(source) != "parquet":
        return None
    from pyarrow import ArrowException
    from pyarrow.parquet import read_metadata

    try:
        return -(-read_metadata(source).num_rows // BLOCK_ROWS)
    except (ArrowException, OSError):
        return None  # reading it will say why


def _blocks(source: Path) -> Iterator[pd.DataFrame]:
    """The source's rows, some at a time; texts stay texts, so that ids keep their zeros."""
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


def _typed(answers: pd.DataFrame) -> pd.DataFrame:
    """The same types in every block, whatever it holds."""
    kinds = {"row": "int64", "rank": "int32", "score": "float32", "level": "int8"}
    texts = dict.fromkeys(("user_id", "item_id", "served", "reason"), "string")
    return answers.astype({c: k for c, k in (kinds | texts).items() if c in answers})
