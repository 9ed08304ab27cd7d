"""growthlab portrait: a Parquet row a customer, a page of its tags, the same in MLflow."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from tests.cli.conftest import ORDERS, SHOP, Workspace

from growthlab.features.portrait.dictionary import TAGS, as_markdown


def test_portraits_are_a_row_a_customer_with_a_page_of_their_tags(workspace: Workspace) -> None:
    done = workspace.growthlab("portrait", *SHOP, "cutoff=2025-04-01", "output=out/some.parquet")
    assert done.status == 0, done.err
    assert "customers as of 2025-04-01 00:00:00; tags: 4 of attribute" in done.out
    assert "sensitive, no features unless named: age_band, gender" in done.out
    assert "absent, as the data has no users.occupation: occupation" in done.out
    frame = pd.read_parquet(workspace.folder / "out/some.parquet")
    assert frame["user_id"].is_unique
    assert set(frame) - {"user_id"} == set(TAGS) - {
        "occupation",
        "membership_tier",
        "cancelled_share",
    }
    page = (workspace.folder / "out/some_tags.md").read_text()
    assert "`price_sensitivity`" in page
    assert "`occupation`" not in page


def test_the_run_in_mlflow_holds_the_same(workspace: Workspace) -> None:
    words = ("cutoff=2025-03-01", "output=again.parquet")
    run = workspace.logged_by(workspace.growthlab("portrait", *SHOP, *words))
    frame = pd.read_parquet(workspace.folder / "again.parquet")
    pd.testing.assert_frame_equal(workspace.table(run, "again.parquet"), frame)
    assert run.data.metrics["customers"] == len(frame)
    assert run.data.params["portrait.half_life_days"] == "90"
    assert run.info.status == "FINISHED"
    assert run.inputs.dataset_inputs


def test_without_a_cutoff_everything_counts(orders: Workspace) -> None:
    done = orders.growthlab("portrait", *ORDERS)
    assert done.status == 0, done.err
    bought = pd.read_csv(orders.folder / "orders.csv")
    frame = pd.read_parquet(orders.folder / "portrait.parquet")
    assert len(frame) == bought["customer"].nunique()
    assert "spend" not in frame


def test_the_page_of_all_tags_can_be_written_alone(fresh: Workspace) -> None:
    done = fresh.growthlab("portrait", "dictionary=page.md")
    assert done.status == 0
    assert (fresh.folder / "page.md").read_text() == as_markdown()
    assert not (fresh.folder / "mlflow.db").exists()


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("cutoff=soon", "cutoff must be a date or time like 2025-06-01, got soon"),
        ("cutoff=2020-01-01", "nobody did anything before 2020-01-01 00:00:00: the events of"),
        ("report.week_start=sundy", "report.week_start=sundy: did you mean sunday"),
        (
            "output=portrait.csv",
            "output=portrait.csv: give a parquet file, such as portrait.parquet",
        ),
        ("portrait.half_life_days=0", "portrait.half_life_days must be positive, got 0"),
        (
            "portrait.halflife=3",
            "unknown setting portrait.halflife: did you mean portrait.half_life",
        ),
        ("portrait.event_weights.view=-1", "portrait.event_weights.view must be 0 or more, got -1"),
        ("portrait.top=many", "portrait.top must be a whole number, got 'many'"),
        ("dictionary=.", "dictionary=.: give a file"),
    ],
)
def test_mistakes_are_one_line_and_leave_no_portrait(
    fresh: Workspace, tmp_path: Path, word: str, message: str
) -> None:
    assert message in fresh.growthlab("portrait", *SHOP, word).mistake
    assert not list(tmp_path.glob("portrait*"))
    assert not (tmp_path / "mlflow.db").exists()
