"""growthlab ab plan, ab assign and ab aa."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from growthlab.cli.main import main

SHOP = ["data.users=1200", "data.items=60", "data.days=90"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_plan_says_how_many_customers_and_days(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["outcomes=[any purchase, revenue, revenue/purchase]", "effect=0.2"]
    assert main(["ab", "plan", *SHOP, *words]) == 0
    assert "for a change of +20 %" in capsys.readouterr().out
    plan = pd.read_csv(here / "reports/simulated_shop/ab-plan.csv").set_index("outcome")
    share = plan.loc["any purchase"]
    # the formula of shares: 2 p (1 - p) and so on, roughly 16 p (1 - p) / (0.2 p)^2
    rough = 16 * (1 - share["mean"]) / (0.04 * share["mean"])
    assert share["needed"] == pytest.approx(rough, rel=0.15)
    assert (plan["needed_with_cuped"] <= plan["needed"]).all()
    assert plan.loc["revenue/purchase", "variance_left"] == 1
    # an effect that the customers of the window just show needs as many as there are
    again = ["outcomes=[revenue]", f"effect={plan.loc['revenue', 'detectable']}"]
    assert main(["ab", "plan", *SHOP, *again]) == 0
    second = pd.read_csv(here / "reports/simulated_shop/ab-plan.csv").iloc[0]
    assert second["needed"] == pytest.approx(second["customers"] / 2)


def test_random_splits_of_the_shop_raise_few_false_alarms(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["ab", "aa", *SHOP, "splits=400"]) == 0
    out = capsys.readouterr().out
    assert "400 splits of" in out
    for row in ("any purchase", "revenue/purchase", "CUPED", "delta method"):
        assert row in out


def test_customers_are_assigned_and_the_table_is_one_of_exposures(here: Path) -> None:
    customers = pd.DataFrame({"customer": [f"u{i}" for i in range(400)] + ["u0"]})
    customers.to_csv("customers.csv", index=False)
    words = ["name=checkout", "input=customers.csv", "user_id=customer"]
    assert main(["ab", "assign", *words, "output=arms.csv"]) == 0
    arms = pd.read_csv("arms.csv")
    assert len(arms) == 400
    assert set(arms["arm"]) == {"control", "new"}
    assert set(arms["probability"]) == {0.5}
    assert main(["ab", "assign", *words, "output=again.parquet"]) == 0
    assert pd.read_parquet("again.parquet")["arm"].tolist() == arms["arm"].tolist()
    other = [*words[1:], "name=search", "arms={control: 0.2, a: 0.4, b: 0.4}", "output=other.csv"]
    assert main(["ab", "assign", *other]) == 0
    assert pd.read_csv("other.csv")["arm"].nunique() == 3
    arms.assign(spend=1.0 + (arms.index % 7)).to_csv("done.csv", index=False)
    done = ["exposures.path=done.csv", "exposures.experiment=experiment", "name=checkout"]
    assert main(["ab", *done, "outcomes=[spend]"]) == 0


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["plan", "effect=0"], "effect must be a relative change"),
        (["plan", "arms=1"], "arms must be 2 or more"),
        (["plan", "days=0"], "days must be 1 or more"),
        (["plan", *SHOP, "days=80"], "do not fit in"),
        (["plan", *SHOP, "outcomes=[income]"], "the log has no outcome income"),
        (["plan", *SHOP, "segments=[town]"], "segments=town: the log knows no such thing"),
        (["aa", "splits=1"], "splits must be 100 or more"),
        (["aa", "outcomes=[]"], "outcomes=[] leaves nothing to test"),
        (["assign", "name=x", "input=none.csv", "output=a.csv"], "there is no such file"),
        (["assign", "name=x", "input=c.csv", "output=a.txt"], "a.txt"),
        (["assign", "name=x", "input=c.csv", "output=a.csv", "user_id=id"], "has no column id"),
        (
            ["assign", "name=x", "input=c.csv", "output=a.csv", "arms={a: 0.5, b: 0.4}"],
            "add up to 0.9",
        ),
    ],
)
def test_a_mistake_is_one_line(
    words: list[str], line: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "c.csv").write_text("user_id\nu1\n")
    assert main(["ab", *words]) == 2
    err = capsys.readouterr().err
    assert line in err
    assert err.count("growthlab: ") == 1
