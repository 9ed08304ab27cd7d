"""growthlab segment: a Parquet row a customer and section, the same in MLflow."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from tests.cli.conftest import ORDERS, SHOP, Workspace

SECTIONS = "section=[rfm,life_cycle,tiers,triggers]"


def test_each_section_is_a_file_and_an_artifact(workspace: Workspace) -> None:
    done = workspace.growthlab("segment", *SHOP, SECTIONS, "output=out")
    assert done.status == 0, done.err
    folder = workspace.folder / "out" / "simulated_shop"
    run = workspace.logged_by(done)
    for name in ("rfm", "life_cycle", "tiers", "triggers"):
        rows = pd.read_parquet(folder / f"{name}.parquet")
        assert f"{name}: {len(rows):,} rows in" in done.out
        assert run.data.metrics[f"rows/{name}"] == len(rows)
        pd.testing.assert_frame_equal(workspace.table(run, f"{name}.parquet"), rows)
    rfm, tiers = (pd.read_parquet(folder / f"{n}.parquet") for n in ("rfm", "tiers"))
    assert rfm["user_id"].tolist() == tiers["user_id"].tolist()
    assert run.data.params["section.rfm.bins"] == "5"
    assert "as of 2025-05-31 00:00:00" in done.out  # 150 days from 1 January, as `describe` has it


def test_sections_that_the_data_cannot_give_are_left_out(orders: Workspace) -> None:
    done = orders.growthlab("segment", *ORDERS, "section=[rfm,tiers]")
    assert done.status == 0, done.err
    assert "left out: tiers: tiers by spend need unit_price" in done.out
    assert [p.name for p in (orders.folder / "segments/tabular_file").iterdir()] == ["rfm.parquet"]


def test_a_lookalike_audience_comes_from_a_file_of_seeds(workspace: Workspace) -> None:
    workspace.growthlab("segment", *SHOP, "section=[rfm]", "output=first")
    rfm = pd.read_parquet(workspace.folder / "first/simulated_shop/rfm.parquet")
    best = rfm.sort_values("spend", ascending=False)["user_id"][:30]
    best.to_frame().to_csv(workspace.folder / "seeds.csv", index=False)
    more = ("section.lookalike.seeds=seeds.csv", "section.lookalike.min_seeds=20")
    done = workspace.growthlab("segment", *SHOP, "section=[lookalike]", *more, "output=second")
    assert done.status == 0, done.err
    audience = pd.read_parquet(workspace.folder / "second/simulated_shop/lookalike.parquet")
    assert not set(audience["user_id"]) & set(best)
    assert audience["rank"].tolist() == list(range(1, len(audience) + 1))
    lift = workspace.logged_by(done).data.metrics["lookalike/lift_on_random_parts"]
    assert lift > 1  # big spenders are found more often than by chance
    assert f"lookalike/lift_on_random_parts: {lift:.3g}, measured on customers held out" in done.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["section=[]"], "section=[] leaves nothing to make: name some sections, or none"),
        (["section=[rmf]"], "section=rmf: did you mean rfm?"),
        (["section=[rfm]", "section.rfm.bins=1"], "section.rfm: bins must be at least 2, got 1"),
        (
            ["section=[tiers]", "section.tiers.tiers.gold.spend=1"],
            "tiers.gold.spend=1 must be positive",
        ),
        (["as_of=then", "section=[rfm]"], "as_of must be a date or time like 2025-06-01, got then"),
        (["as_of=2020-01-01"], "nobody did anything before 2020-01-01 00:00:00: the events of"),
        (["report.timezone=Mars"], "report.timezone 'Mars' is not known: give a name such as"),
        (["section=[lookalike]"], "a lookalike audience needs seeds: section.lookalike.seeds=FILE"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(
    fresh: Workspace, tmp_path: Path, words: list[str], message: str
) -> None:
    assert message in fresh.growthlab("segment", *SHOP, *words).mistake
    assert not (tmp_path / "segments").exists()
    assert not (tmp_path / "mlflow.db").exists()


def test_a_mistake_names_its_section_once(fresh: Workspace) -> None:
    mistake = fresh.growthlab("segment", *SHOP, "section=[outlook]").mistake
    assert mistake.startswith("section.outlook.bundles names no folder of bundles")
