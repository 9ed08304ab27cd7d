"""Every statement of cleaning, of what was known at a date, of features and histories is one of Spark too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.data.spark_shop import CLEANING, SNAPSHOT, shop

from growthlab.core.errors import DataError
from growthlab.data.database import DUCKDB
from growthlab.data.event_log import EventLog
from growthlab.data.spark.spark_sql import spark_statement
from growthlab.data.sql_engine import SqlConnection
from growthlab.features.btyd import btyd_summary
from growthlab.features.build_histories import catalogue_of, histories_of
from growthlab.features.customer_table import customer_table
from growthlab.features.event_steps import event_steps


class TranslatesToo:
    """DuckDB, with every statement translated as well."""

    def __init__(self, connection: SqlConnection, statements: list[str]) -> None:
        self._connection, self._statements = connection, statements

    def execute(self, query: str, /) -> Any:
        self._statements.append(spark_statement(query, self._columns(), {}).sql)
        return self._connection.execute(query)

    def sql(self, query: str, /) -> Any:
        self._statements.append(spark_statement(query, self._columns(), {}).sql)
        return self._connection.sql(query)

    def register(self, view_name: str, python_object: object, /) -> object:
        return self._connection.register(view_name, python_object)

    def unregister(self, view_name: str, /) -> object:
        return self._connection.unregister(view_name)

    def cursor(self) -> TranslatesToo:
        return TranslatesToo(self._connection.cursor(), self._statements)

    def close(self) -> None:
        self._connection.close()

    def _columns(self) -> dict[str, list[str]]:
        rows = self._connection.execute(
            "SELECT table_name, list(column_name ORDER BY column_index) FROM duckdb_columns() "
            "WHERE NOT internal GROUP BY table_name"
        ).fetchall()
        return {str(table): list(columns) for table, columns in rows}


class TranslatesForSpark:
    """The engine of such connections."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def connect(self) -> TranslatesToo:
        return TranslatesToo(DUCKDB.connect(), self.statements)


def features_of(log: EventLog) -> None:
    """All that is computed of a log for models."""
    users = ["u1", "u2"]
    customer_table(log, SNAPSHOT, users)
    btyd_summary(log, SNAPSHOT)
    event_steps(log, SNAPSHOT, users)
    histories_of(log, ["view", "purchase"], catalogue_of(log))


@pytest.mark.parametrize("cancellations", ["match", "keep"])
def test_cleaning_and_features_are_statements_of_spark_too(cancellations: str) -> None:
    engine = TranslatesForSpark()
    cleaning = replace(CLEANING, cancellations=cancellations, min_rating=1.0, min_item_events=2)
    log = cleaning.apply(shop().on(engine))
    features_of(cleaning.restrict(cleaning.without_bots(log)))
    assert len(engine.statements) > 100
    assert any("XXHASH64" in sql for sql in engine.statements)


def translated(sql: str) -> str:
    columns = {"events": ["user_id", "quantity", "timestamp"], "parts": ["quantity", "user_id"]}
    return spark_statement(sql, columns, {"parts": "parts_7"}).sql


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        # Spark's DATEDIFF by a unit counts whole days of 24 hours, DuckDB's midnights
        ("SELECT date_diff('day', a, b) FROM events", "SELECT DATEDIFF(b, a) FROM events"),
        # Monday is 1
        ("SELECT isodow(a) FROM events", "SELECT (WEEKDAY(a) + 1) FROM events"),
        ("SELECT a FROM events ORDER BY a", "SELECT a FROM events ORDER BY a NULLS LAST"),
        ("SELECT a FROM parts", "SELECT a FROM parts_7 AS parts"),
        (
            "SELECT * EXCLUDE (user_id) REPLACE (1 AS quantity) FROM events",
            "SELECT 1 AS quantity, events.timestamp AS timestamp FROM events AS events",
        ),
    ],
)
def test_a_statement_keeps_its_meaning(sql: str, expected: str) -> None:
    assert translated(sql) == expected


def test_a_union_by_name_becomes_one_by_place() -> None:
    sql = translated("SELECT user_id, quantity FROM events UNION ALL BY NAME SELECT 'x' AS user_id")
    assert sql == (
        "SELECT `user_id`, `quantity` FROM (SELECT events.user_id AS user_id, events.quantity AS "
        "quantity FROM events AS events) AS side UNION ALL SELECT `user_id`, NULL AS `quantity` FROM "
        "(SELECT 'x' AS user_id) AS side"
    )


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("SELECT quantile_disc(quantity, 0.5) FROM events", "is not known to give the same"),
        ("SELECT date_diff('week', a, b) FROM events", "by week"),
        ("SELECT date_trunc('week', a) FROM events", "by week"),
        ("SELECT quantity::INT FROM events", "a cast to int"),
        ("SELECT user_id FROM events USING SAMPLE 10 ROWS", "sample"),
        ("SELECT quantity // 2 FROM events", "quantity // 2"),
        ("SELECT arg_max(user_id, timestamp) FROM events", "without a filter"),
        ("SELECT strange_function(user_id) FROM events", "strange_function"),
        ("SELECT * FROM events WHERE", "does not run on Spark"),
    ],
)
def test_what_may_mean_something_else_is_refused(sql: str, what: str) -> None:
    with pytest.raises(DataError, match=what):
        translated(sql)
