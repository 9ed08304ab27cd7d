"""Figures of reports, recomputed from the raw file by SQL that shares nothing with ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pytest
import yaml
from tests.insight.conftest import CONF

from growthlab.core.build import build
from growthlab.data.calendar import Calendar
from growthlab.data.cleaning import Cleaning
from growthlab.data.simulated_shop import SimulatedShop
from growthlab.data.source import Source
from growthlab.data.tabular_file import TabularFile
from growthlab.insight.report_scope import ReportScope
from growthlab.insight.sections.growth import Growth
from growthlab.insight.sections.repurchase import Repurchase
from growthlab.insight.sections.retention import Retention
from growthlab.insight.sections.sales import Sales

MONTHLY = """
    WITH monthly AS (SELECT *, date_trunc('month', moment)::DATE AS month FROM lines),
    active AS (SELECT * FROM monthly WHERE kind NOT IN ('return', 'message', 'impression')),
    bought AS (SELECT * FROM monthly WHERE kind = 'purchase'),
    seen AS (SELECT month, count(DISTINCT who) AS active_users FROM active GROUP BY 1),
    fresh AS (
        SELECT month, count(*) AS new_users
        FROM (SELECT who, min(month) AS month FROM active GROUP BY 1) GROUP BY 1
    ),
    firsts AS (SELECT who, min(month) AS first FROM bought GROUP BY 1),
    sold AS (
        SELECT month, count(DISTINCT who) AS buyers, count(DISTINCT (who, basket)) AS orders,
            sum(money) AS gmv, gmv / count(DISTINCT (who, basket)) AS average_order_value,
            count(DISTINCT CASE WHEN first < month THEN who END) AS returning_buyers
        FROM bought JOIN firsts USING (who) GROUP BY 1
    ),
    back AS (SELECT month, sum(money) AS back FROM monthly WHERE kind = 'return' GROUP BY 1)
    SELECT month::TIMESTAMP AS month, active_users, coalesce(new_users, 0) AS new_users, buyers, orders, gmv,
        gmv - coalesce(back, 0) AS net_sales, average_order_value, returning_buyers
    FROM seen LEFT JOIN fresh USING (month) LEFT JOIN sold USING (month) LEFT JOIN back USING (month)
    ORDER BY 1
"""
AGAIN = """
    WITH days AS (SELECT DISTINCT who, moment::DATE AS day FROM lines WHERE kind = 'purchase'),
    gaps AS (SELECT who, day - lag(day) OVER (PARTITION BY who ORDER BY day) AS gap FROM days)
    SELECT count(DISTINCT CASE WHEN gap IS NOT NULL THEN who END) / count(DISTINCT who) AS repeat_rate,
        median(gap) AS gap FROM gaps
"""
RETENTION = """
    WITH m AS (
        SELECT DISTINCT who, date_trunc('month', moment) AS month FROM lines
        WHERE kind NOT IN ('return', 'message', 'impression')
    ),
    born AS (SELECT who, min(month) AS month FROM m GROUP BY 1),
    old AS (SELECT * FROM born WHERE month + INTERVAL 2 MONTH <= date_trunc('month', $end::TIMESTAMP))
    SELECT (SELECT count(*) FROM old JOIN m ON old.who = m.who AND m.month = old.month + INTERVAL 1 MONTH)
        / (SELECT count(*) FROM old) AS share
"""


def assert_equal_figures(scope: ReportScope, books: duckdb.DuckDBPyConnection) -> None:
    """Compare the report with the books, which are a table `lines` of who, kind, moment, basket and money."""
    (growth, *_), (sales, *_) = Growth().find(scope).tables, Sales().find(scope).tables
    ours = growth.rows.merge(sales.rows)  # by all columns that both have
    ours = ours[ours["complete"]].set_index("period")
    theirs = books.execute(MONTHLY).df().set_index("month").reindex(ours.index)
    assert len(ours) >= 3
    for figure in theirs:
        values = ours[figure].to_numpy(dtype=float)
        np.testing.assert_allclose(values, theirs[figure], rtol=1e-9, err_msg=str(figure))
    repeat_rate, gap = books.execute(AGAIN).fetchall()[0]
    found = {table.name: table.rows for table in Repurchase().find(scope).tables}
    assert found["repeat_rate"]["share"].iloc[0] == pytest.approx(repeat_rate)
    assert found["purchase_gaps"]["median"].iloc[0] == gap
    curve = Retention().find(scope).tables[0].rows.set_index("since")["cohort_retention"]
    (share,) = books.execute(RETENTION, {"end": scope.as_of}).fetchall()[0]
    assert curve[1] == pytest.approx(share)


def test_ten_figures_of_a_simulated_shop_in_shanghai(tmp_path: Path) -> None:
    faults = {"duplicates": 0.02, "missing_users": 0.02, "zero_quantities": 0.01}
    raw = SimulatedShop(users=300, items=60, days=130, faults=faults, seed=3)
    path = tmp_path / "events.parquet"
    raw.read().to_pandas().to_parquet(path)  # as the shop wrote it, its faults among them
    books = duckdb.connect()
    books.execute(
        f"""
        CREATE TABLE lines AS
        SELECT user_id AS who, event_type AS kind, coalesce(order_id, timestamp::VARCHAR) AS basket,
            timezone('Asia/Shanghai', timezone('UTC', timestamp)) AS moment,
            abs(quantity) * unit_price AS money
        FROM (SELECT DISTINCT * FROM '{path}')
        WHERE user_id IS NOT NULL AND (quantity > 0 OR quantity IS NULL)
            AND ingested_at < (
                SELECT date_trunc('day', max(timestamp) + INTERVAL 8 HOUR) + INTERVAL 16 HOUR FROM '{path}'
            )
        """
    )
    log = TabularFile(path=str(path), user_ids="plain", cleaning=Cleaning()).prepare(tmp_path)
    shanghai = Calendar("Asia/Shanghai")
    scope = ReportScope.of(log, min_group=10, burn_in_days=0, calendar=shanghai)
    assert_equal_figures(scope, books)


@pytest.mark.data
def test_ten_figures_of_a_retailer(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    path = real_data("online_retail_ii") / "transactions.parquet"
    node = yaml.safe_load((CONF.parent / "data" / "online_retail.yaml").read_text())
    rules = {**node["cleaning"], "cancellations": "keep"}  # returns stay: no matching to repeat
    source = build({**node, "path": str(path), "cleaning": rules}, Source)
    books = duckdb.connect()
    books.execute(  # times are British, as the shop's clock has shown them
        f"""
        CREATE TABLE lines AS
        SELECT customer_id AS who, invoice AS basket, invoice_date AS moment,
            abs(quantity) * unit_price AS money,
            CASE WHEN upper(invoice) LIKE 'C%' THEN 'return' ELSE 'purchase' END AS kind
        FROM (
            SELECT DISTINCT invoice, upper(trim(stock_code)) AS code, quantity, invoice_date, unit_price,
                customer_id
            FROM '{path}' WHERE NOT in_overlap AND customer_id IS NOT NULL
        )
        WHERE unit_price > 0 AND (quantity > 0 OR upper(invoice) LIKE 'C%')
            AND NOT regexp_full_match(code, $1)
        """,
        ["|".join(rules["non_goods"])],
    )
    calendar = Calendar(source.zone)
    scope = ReportScope.of(source.prepare(tmp_path), burn_in_days=0, calendar=calendar)
    assert_equal_figures(scope, books)
