"""The grid of risk and value: levels by hand, files or models, no small cell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.insight.purchases import AS_OF, buys, log_of

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.event_log import EventLog
from growthlab.insight.disclosure import protect_table
from growthlab.insight.predicted import predict_risk_and_value, predict_risks, read_predictions
from growthlab.insight.report_scope import ReportScope, SectionUnavailable
from growthlab.insight.sections.risk_value import RiskValue, risk_value_grid
from growthlab.pages.csv_table import csv_of_table


def files(folder: Path, risk: list[float], value: list[float]) -> dict[str, str]:
    ids = [f"u{n}" for n in range(len(risk))]
    pd.DataFrame({"user_id": ids, "churn_probability": risk}).to_csv(folder / "r.csv", index=False)
    pd.DataFrame({"user_id": ids, "expected_value": value}).to_csv(folder / "v.csv", index=False)
    return {"risk": str(folder / "r.csv"), "value": str(folder / "v.csv")}


def test_levels_worked_by_hand(tmp_path: Path) -> None:
    given = files(tmp_path, [0.4, 0.41, 0.81], [10.0, 20.0, 30.0])
    log = log_of(buys("u0", 3))
    customers = RiskValue(**given, value_borders=[10, 20]).customers(log, AS_OF)  # type: ignore[arg-type]
    assert customers["risk_level"].tolist() == ["low", "middle", "high"]
    assert customers["value_level"].tolist() == ["low", "middle", "high"]
    thirds = RiskValue(**given).customers(log, AS_OF)  # type: ignore[arg-type]
    assert thirds["value_level"].tolist() == ["low", "middle", "high"]


def test_the_grid_has_totals_and_hides_small_cells() -> None:
    levels = pd.CategoricalDtype(["low", "middle", "high"], ordered=True)
    customers = pd.DataFrame({"risk": [0.2] * 12 + [0.9] * 3, "value": [5.0] * 12 + [7.0] * 3})
    customers["risk_level"] = pd.Series(["low"] * 12 + ["high"] * 3, dtype=levels)
    customers["value_level"] = pd.Series(["high"] * 15, dtype=levels)
    rows = risk_value_grid(customers)
    table = RiskValue().grid_table(rows, AS_OF)
    # low/high has 12, high/high 3: by the total of the column the 3 could be worked out
    assert protect_table(table, 10).rows["customers"].isna().all()
    shown = rows.set_index(["risk_level", "value_level"]).loc[("low", "high")]
    assert (shown["customers"], shown["total_value"]) == (12, 60)


def test_bounds_of_a_cell_are_those_of_its_mean() -> None:
    # risks 0.1, 0.2, ..., 0.9: mean 0.5, standard error 0.0913, and t of 8 degrees of freedom 2.306
    levels = pd.CategoricalDtype(["low", "middle", "high"], ordered=True)
    customers = pd.DataFrame({"risk": np.arange(1, 10) / 10, "value": 5.0})
    customers["risk_level"] = customers["value_level"] = pd.Series(["low"] * 9, dtype=levels)
    grid = risk_value_grid(customers).set_index(["risk_level", "value_level"])
    row = grid.loc[("low", "low")]
    error = np.std(np.arange(1, 10) / 10, ddof=1) / 3
    assert row[["risk_low", "risk_high"]].tolist() == pytest.approx(
        [0.5 - 2.306 * error, 0.5 + 2.306 * error], rel=1e-3
    )
    assert row[["value_low", "value_high", "total_value_low"]].isna().all()  # all are worth 5
    assert grid.drop(("low", "low"))[["risk", "risk_low", "value_high"]].isna().all(axis=None)


def test_bounds_of_a_total_know_that_others_could_be_in_the_cell() -> None:
    levels = pd.CategoricalDtype(["low", "middle", "high"], ordered=True)
    customers = pd.DataFrame({"risk": 0.1, "value": [10.0] * 50 + [0.0] * 50})
    customers["risk_level"] = pd.Series(["low"] * 100, dtype=levels)
    customers["value_level"] = pd.Series(["high"] * 50 + ["low"] * 50, dtype=levels)
    row = risk_value_grid(customers).set_index(["risk_level", "value_level"]).loc[("low", "high")]
    # 100 customers of 0 or 10: the standard error of their sum is sqrt(100) x 5.03, t is 1.984
    low, high = row[["total_value_low", "total_value_high"]]
    assert (low, high) == pytest.approx((500 - 99.7, 500 + 99.7), abs=0.2)


def test_the_built_in_models_predict_every_buyer(shop: EventLog) -> None:
    as_of = ReportScope.of(shop).as_of
    customers = predict_risk_and_value(shop, as_of, 28)
    assert customers["risk"].between(0, 1).all()
    assert (customers["value"] >= 0).all()
    assert np.corrcoef(customers["risk"], customers["value"])[0, 1] < 0


def test_one_fit_serves_both_dates(shop: EventLog) -> None:
    as_of = ReportScope.of(shop).as_of
    before, now = predict_risks(shop, as_of, as_of, 28)
    pd.testing.assert_series_equal(before, now)
    pd.testing.assert_series_equal(now, predict_risk_and_value(shop, as_of, 28)["risk"])


def test_a_file_of_one_and_a_model_of_the_other(shop: EventLog, tmp_path: Path) -> None:
    ids = shop.query("SELECT DISTINCT user_id FROM events ORDER BY 1")["user_id"][:50]
    path = tmp_path / "r.parquet"
    pd.DataFrame({"user_id": ids, "prediction": 0.5}).to_parquet(path)
    customers = RiskValue(risk=str(path)).customers(shop, ReportScope.of(shop).as_of)
    assert set(customers.index) <= set(ids)
    assert (customers["risk"] == 0.5).all()
    assert (customers["value"] > 0).any()


def test_the_customers_of_our_own_csv_output_are_those_of_the_data(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    scores = pd.DataFrame({"user_id": ["=x", "-5", "ann"], "risk": [0.1, 0.2, 0.3]})
    path.write_text(csv_of_table(scores), encoding="utf-8")
    assert read_predictions(path, "risk", "risk").index.tolist() == ["=x", "-5", "ann"]


def test_without_enough_data_the_section_is_left_out() -> None:
    log = log_of(buys("ann", 10), buys("bob", 20))  # no customer bought twice
    with pytest.raises(
        SectionUnavailable, match="risk and value: bg_nbd needs customers who buy on more"
    ):
        RiskValue().find(ReportScope.of(log))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"user_id": ["a"], "p": [0.5]},
            "needs user_id and risk or churn_probability or prediction",
        ),
        ({"user_id": ["a", "a"], "risk": [0.1, 0.2]}, "has a more than once"),
        ({"user_id": ["a"], "risk": [1.5]}, r"risk must be a probability in \[0, 1\]"),
    ],
)
def test_files_that_are_wrong_are_refused(
    tmp_path: Path, columns: dict[str, list[object]], message: str
) -> None:
    path = tmp_path / "risk.csv"
    pd.DataFrame(columns).to_csv(path, index=False)
    with pytest.raises(DataError, match=message):
        RiskValue(risk=str(path), value=str(path)).customers(log_of(buys("a", 3)), AS_OF)


def test_borders_out_of_order_are_refused() -> None:
    with pytest.raises(ConfigError, match="risk_borders must be two ascending numbers"):
        RiskValue(risk_borders=[0.8, 0.4])
    with pytest.raises(ConfigError, match=r"risk_borders must lie in \(0, 1\)"):
        RiskValue(risk_borders=[0, 0.4])
