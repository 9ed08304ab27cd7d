"""A log on Spark is the log on DuckDB: cleaned events, histories, customer table, purchase summary."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from tests.cli.conftest import Workspace
from tests.data.spark_shop import CLEANING, SNAPSHOT, shop

from growthlab.core.errors import ConfigError, DataError
from growthlab.core.histories import Histories
from growthlab.data.cleaning import Cleaning
from growthlab.data.event_log import EventLog
from growthlab.data.spark.spark_engine import SparkEngine
from growthlab.data.spark.spark_session import spark_errors
from growthlab.data.sql_engine import SqlEngine
from growthlab.features.btyd import btyd_summary
from growthlab.features.build_histories import catalogue_of, histories_of
from growthlab.features.customer_table import customer_table

REQUIRED = "GROWTHLAB_SPARK"  # set where a skip would hide that nobody looked
MASTER = "local[2]"
# py4j leaves sockets to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
# nothing is compiled for the few rows of these tests: that would be most of the work
FOR_FEW_ROWS = {
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.driver.memory": "700m",
}


class Logs(NamedTuple):
    """The same raw log on both engines."""

    here: EventLog
    on_spark: EventLog


class CleanedLogs(NamedTuple):
    """The logs after cleaning, and the folders that they were saved in."""

    logs: Logs
    saved: Logs
    folders: tuple[Path, Path]


@pytest.fixture(scope="module")
def engine() -> Iterator[SqlEngine]:
    if REQUIRED not in os.environ:
        pytest.importorskip("pyspark", reason="pip install 'growthlab[spark]'")
    from growthlab.data.spark.spark_session import start_session

    session = start_session(MASTER, FOR_FEW_ROWS)
    yield SparkEngine(master=MASTER)
    session.stop()


@pytest.fixture(scope="module")
def raw(engine: SqlEngine) -> Logs:
    log = shop()
    return Logs(log, log.on(engine))


@pytest.fixture(scope="module")
def cleaned(raw: Logs, engine: SqlEngine, tmp_path_factory: pytest.TempPathFactory) -> CleanedLogs:
    logs = Logs(*(CLEANING.apply(log) for log in raw))
    folders = tmp_path_factory.mktemp("here"), tmp_path_factory.mktemp("spark")
    for log, folder in zip(logs, folders, strict=True):
        log.save(folder / "log")
    # what DuckDB saved is opened on Spark
    saved = Logs(EventLog.open(folders[0] / "log"), EventLog.open(folders[0] / "log", engine))
    return CleanedLogs(logs, saved, (folders[0] / "log", folders[1] / "log"))


def assert_same(here: pd.DataFrame, on_spark: pd.DataFrame) -> None:
    """Every column: sums and means to 1e-9, all else to the bit."""
    pd.testing.assert_frame_equal(here, on_spark, rtol=1e-9, atol=1e-9, check_exact=False)
    whole = [c for c in here if pd.api.types.is_float_dtype(here[c]) and (here[c] % 1 == 0).all()]
    pd.testing.assert_frame_equal(here[whole], on_spark[whole], check_exact=True)


def test_every_event_that_spark_leaves_is_the_one_that_duckdb_leaves(cleaned: CleanedLogs) -> None:
    here, on_spark = (log.to_pandas() for log in cleaned.logs)
    assert {"cancelled_at", "discount", "rating", "channel"} <= {*here.columns}
    pd.testing.assert_frame_equal(here, on_spark, check_exact=True)


def test_the_cleaning_report_counts_the_same(raw: Logs, cleaned: CleanedLogs) -> None:
    here, on_spark = cleaned.logs
    assert here.cleaning == on_spark.cleaning
    dropped = {row["rule"]: row["dropped_events"] for row in here.cleaning}
    rules = ("missing users", "exact duplicates", "non-goods", "future dates")
    assert all(dropped[rule] for rule in rules)


def test_what_spark_saves_has_the_digest_of_duckdb_and_is_read_by_it(cleaned: CleanedLogs) -> None:
    here, written = (EventLog.open(folder) for folder in cleaned.folders)
    assert written.digest == here.digest
    assert written.counts == here.counts
    assert (written.cleaning, written.borders) == (here.cleaning, here.borders)
    pd.testing.assert_frame_equal(written.to_pandas(), here.to_pandas(), check_exact=True)


@pytest.mark.skipif(os.name == "nt", reason="modes of POSIX")
def test_files_of_spark_are_for_their_user_alone(cleaned: CleanedLogs) -> None:
    folder = cleaned.folders[1] / "events.parquet"
    assert folder.stat().st_mode & 0o777 == 0o700
    files = list(folder.iterdir())
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert {path.suffix for path in files} == {".parquet"}


def test_every_column_of_the_customer_table_is_the_same(cleaned: CleanedLogs) -> None:
    ids = [f"u{i}" for i in (3, 1, 2, *range(4, 12), 0)] + ["stranger"]
    tables = [customer_table(log, SNAPSHOT, ids, attributes=["tier"]) for log in cleaned.saved]
    assert {"category_entropy", "channel", "sessions_30d", "last_day_spend"} <= {*tables[0]}
    assert_same(*tables)


def test_returns_that_stay_events_are_columns_of_the_same_values(
    engine: SqlEngine, tmp_path: Path
) -> None:
    replace(CLEANING, cancellations="keep").apply(shop()).save(tmp_path / "log")
    logs = EventLog.open(tmp_path / "log"), EventLog.open(tmp_path / "log", engine)
    here, on_spark = (customer_table(log, SNAPSHOT, ["u1", "u2", "u7"]) for log in logs)
    assert here["return_rate"].max() > 0
    assert_same(here, on_spark)


def test_every_column_of_the_purchase_summary_is_the_same(cleaned: CleanedLogs) -> None:
    here, on_spark = (btyd_summary(log, SNAPSHOT) for log in cleaned.saved)
    assert len(here) == 12
    assert_same(here, on_spark)


def test_histories_are_the_same_to_the_bit(cleaned: CleanedLogs) -> None:
    catalogues = [catalogue_of(log) for log in cleaned.saved]
    np.testing.assert_array_equal(catalogues[0].item_ids, catalogues[1].item_ids)
    here, on_spark = (
        histories_of(log, ["view", "purchase", "cart"], catalogue)
        for log, catalogue in zip(cleaned.saved, catalogues, strict=True)
    )
    arrays = [f.name for f in fields(Histories) if isinstance(getattr(here, f.name), np.ndarray)]
    assert {"items", "times", "quantities", "prices"} <= {*arrays}
    for name in arrays:
        first, second = getattr(here, name), getattr(on_spark, name)
        assert first.dtype == second.dtype, name
        np.testing.assert_array_equal(first, second, name)


def test_a_log_in_parts_gives_on_spark_what_it_gives_whole(cleaned: CleanedLogs) -> None:
    parts = cleaned.saved.on_spark.with_cleaning([])
    parts.borders = ("u3",)
    assert_same(btyd_summary(parts, SNAPSHOT), btyd_summary(cleaned.saved.here, SNAPSHOT))


def test_bots_and_the_core_are_the_same(cleaned: CleanedLogs) -> None:
    here, on_spark = cleaned.saved
    few = Cleaning(bot_events_a_day=2, min_item_events=40)
    assert few.bots(here) == few.bots(on_spark) != []
    kept = [few.restrict(log) for log in (here, on_spark)]
    assert kept[0].counts == kept[1].counts != here.counts


def test_a_query_that_may_mean_something_else_on_spark_is_refused(cleaned: CleanedLogs) -> None:
    with pytest.raises(
        DataError, match=r"median is not known to give the same .*data.engine=duckdb"
    ):
        cleaned.saved.on_spark.query("SELECT median(quantity) FROM events")


def test_what_spark_says_is_one_line_with_the_settings(cleaned: CleanedLogs) -> None:
    with pytest.raises(
        DataError, match=r"^data.engine=spark, data.engine.master=local\[2\]: .*nothing"
    ) as said:
        cleaned.saved.on_spark.query("SELECT nothing FROM events")
    assert "\n" not in str(said.value)


def test_another_master_than_that_of_the_process_is_refused(engine: SqlEngine) -> None:
    with pytest.raises(ConfigError, match=r"has a session on local\[2\] already"):
        SparkEngine(master="local[1]").connect()


def test_a_command_gives_the_same_comparison_and_digest_on_spark(
    engine: SqlEngine, tmp_path: Path
) -> None:
    workspace, on_spark = Workspace(tmp_path), ("data.engine=spark", f"data.engine.master={MASTER}")
    events = shop().to_pandas().drop(columns="ingested_at")
    events = events[events["user_id"].notna() & (events["timestamp"] < "2025-04-01")]
    events.to_csv(tmp_path / "events.csv", index=False)
    words = ("data=tabular_file", "data.path=events.csv", "privacy.user_ids=plain")
    compared = ("compare", "task=churn", "models=[recency_rule]", *words, "split.horizon_days=10")
    runs = []
    for store, engine_words in (("here", ()), ("there", on_spark)):
        folders = (f"tracking.uri=sqlite:///{store}.db", f"cache={store}")
        done = workspace.growthlab(*compared, *engine_words, *folders)
        assert done.status == 0, done.err
        client = MlflowClient(f"sqlite:///{tmp_path / store}.db")
        (experiment,) = client.search_experiments(filter_string="name LIKE '%/churn'")
        children = client.search_runs([experiment.experiment_id], "tags.model = 'recency_rule'")
        runs.append(
            [(r.data.metrics["test/roc_auc"], r.data.tags["data_digest"]) for r in children]
        )
    assert runs[0] == runs[1]
    assert len(runs[0]) == 1


@pytest.mark.parametrize(
    ("master", "line"),
    [
        ("nowhere", "data.engine.master=nowhere: possible are local[2] (processors of this"),
        ("spark://head", "data.engine.master=spark://head: give spark://HOST:PORT of the master"),
        ("spark://127.0.0.1:1", "data.engine.master=spark://127.0.0.1:1: nobody answers there ("),
    ],
)
def test_a_wrong_master_of_a_command_is_one_line(
    engine: SqlEngine, tmp_path: Path, master: str, line: str
) -> None:
    (tmp_path / "events.csv").write_text("user_id,item_id,timestamp\nu1,i1,2025-01-01\n")
    words = ("data=tabular_file", "data.path=events.csv", "data.event_type=purchase")
    done = Workspace(tmp_path).growthlab(
        "prepare", *words, "cache=kept", "data.engine=spark", f"data.engine.master={master}"
    )
    assert (done.status, done.out) == (2, "")
    (said,) = [each for each in done.err.splitlines() if each.startswith("growthlab: ")]
    assert line in said
    assert not [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]


def test_a_program_that_is_no_master_is_one_line_that_says_so(engine: SqlEngine) -> None:
    """Spark says that its own context was stopped, and where that was created."""
    from py4j.protocol import Py4JError

    said = r"^data.engine=spark: no master of Spark that takes this command answers there"
    with pytest.raises(ConfigError, match=said), spark_errors("data.engine=spark", ConfigError):
        raise Py4JError("Cannot call methods on a stopped SparkContext.\nIt was created at:")
