"""CDNOW."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from growthlab.core.errors import DataError
from growthlab.data.cdnow import CDNOW


def test_orders_on_one_day_stay_separate_and_sum_to_the_amount_paid(tmp_path: Path) -> None:
    (tmp_path / "cdnow.csv").write_text(
        "customer_id,date,cds,amount\n1,1997-01-01,2,29.33\n1,1997-01-01,2,29.33\n2,1997-02-01,1,0\n"
    )
    log = CDNOW(path=str(tmp_path / "cdnow.csv")).read()
    assert (log.n_events, log.n_users, log.n_items) == (3, 2, 0)
    events = log.to_pandas()
    assert list(events["quantity"] * events["unit_price"]) == pytest.approx([29.33, 29.33, 0])
    assert events["order_id"].nunique() == 3
    assert log.currency == "USD"


def test_without_a_path_the_option_is_named() -> None:
    with pytest.raises(DataError, match=r"data=cdnow needs data.path=FILE"):
        CDNOW().input_files()


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "n_orders", "n_customers"),
    [("master.parquet", 69_659, 23_570), ("sample.parquet", 6_919, 2_357)],
)
def test_the_real_data_has_its_published_counts(
    real_data: Callable[[str], Path], file: str, n_orders: int, n_customers: int
) -> None:
    log = CDNOW(path=str(real_data("cdnow") / file)).read()
    assert (log.n_events, log.n_users) == (n_orders, n_customers)
    assert log.span() == (datetime(1997, 1, 1), datetime(1998, 6, 30))
    if file == "master.parquet":
        revenue = log.query("SELECT sum(quantity * unit_price) AS r FROM events")["r"].item()
        assert revenue == pytest.approx(2_500_315.63)
