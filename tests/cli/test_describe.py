"""growthlab describe: the report in a folder and in MLflow, and mistakes before any work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml
from tests.cli.conftest import ORDERS, SHOP, Done, Workspace

import growthlab
from growthlab.core.errors import ConfigError
from growthlab.data.simulated_shop import SimulatedShop

GOALS = """
- {metric: active_users, segment: all, baseline: 30, target: 60, unit: customers, deadline: 2025-09-30}
- {metric: user_conversion, target: 75, unit: percent, deadline: 2025-09-30, owner: ann}
"""


@pytest.fixture(scope="module")
def described(workspace: Workspace) -> Done:
    """The report of a small shop with two goals, in the shared folder."""
    (workspace.folder / "goals.yaml").write_text(GOALS)
    words = (
        "goals=goals.yaml",
        "burn_in_days=20",
        "privacy.min_group=10",
        "section=[headline,growth,sales,retention,funnel]",
    )
    done = workspace.growthlab("describe", *SHOP, *words)
    assert done.status == 0, done.err
    return done


def test_the_report_says_where_it_is_and_how_far_the_goals_are(
    described: Done, workspace: Workspace
) -> None:
    assert "simulated_shop, April 2025" in described.out  # 150 days end on 30 May
    assert "active_users of all: " in described.out
    assert "of 60 customers by 2025-09-30" in described.out
    folder = workspace.folder / "reports" / "simulated_shop"
    assert "reports/simulated_shop/report.html: 11 tables" in described.out
    assert "Distance to the goals" in (folder / "report.html").read_text()
    assert {"goals", "growth_by_day", "cohort_retention"} <= {
        path.stem for path in (folder / "tables").iterdir()
    }


def test_the_run_has_the_report_its_tables_and_its_months(
    described: Done, workspace: Workspace
) -> None:
    run = workspace.logged_by(described)
    assert run.info.status == "FINISHED"
    assert run.data.params["privacy.min_group"] == "10"
    assert run.data.tags["data_digest"] == run.inputs.dataset_inputs[0].dataset.digest[:36] or (
        run.data.tags["data_digest"].startswith(run.inputs.dataset_inputs[0].dataset.digest)
    )
    names = {a.path for a in workspace.client.list_artifacts(run.info.run_id)}
    assert {"report.html", "definitions.json", "tables", "config.yaml", "cleaning.json"} <= names
    months = workspace.table(run, "tables/growth_by_month.parquet")
    whole = months[months["complete"]]
    points = workspace.client.get_metric_history(run.info.run_id, "month/active_users")
    assert [p.value for p in points] == whole["active_users"].tolist()
    assert [p.step for p in points] == [1, 2, 3, 4]
    config = yaml.safe_load(workspace.artifact(run, "config.yaml").read_text())
    assert config["section"]["funnel"]["days"] == 90


def test_any_file_of_purchases_is_described(orders: Workspace) -> None:
    done = orders.growthlab("describe", *ORDERS)
    assert done.status == 0, done.err
    assert "not in the report: funnel: the funnel needs view and cart events" in done.out
    rows = pd.read_parquet(orders.folder / "reports/tabular_file/tables/repeat_rate.parquet")
    assert rows["rate"].tolist()[0] == "repeat_rate"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("section=[growht]", "section=growht: did you mean growth?"),
        ("section=[]", "section=[] leaves nothing to report"),
        ("section.funnel.day=3", "unknown setting section.funnel.day: did you mean"),
        ("section.funnel.days=0", "section.funnel: days must be 1 or more, got 0"),
        ("section.retention.period=year", "section.retention.period must be"),
        ("section.channels.margin=2", "section.channels: margin must be above 0"),
        ("privacy.min_group=5", "privacy.min_group must be at least 10, got 5"),
        ("privacy.min_group=x", "privacy.min_group must be a whole number, got 'x'"),
        ("active_events=[viw]", "active_events: viw: did you mean view"),
        ("active_events=view", "active_events=view: give a list"),
        ("burn_in_days=-1", "burn_in_days must be 0 or more, got -1"),
        ("as_of=soon", "as_of must be a date or time like 2025-06-01, got soon"),
        (
            "report.timezone=Mars",
            "report.timezone 'Mars' is not known: give a name such as Europe/London",
        ),
        ("report.week_start=sundy", "report.week_start=sundy: did you mean sunday"),
        ("goals=none.yaml", "goals=none.yaml cannot be read (No such file or directory)"),
        ("model=x", "unknown setting model"),
        ("data.path=x.csv", "unknown setting data.path"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    fresh: Workspace, empty: Callable[[], list[str]], words: str, line: str
) -> None:
    done = fresh.growthlab(
        "describe", "data.users=30", "data.items=30", "data.days=30", *words.split()
    )
    assert done.mistake.startswith(line)
    assert empty() == []


@pytest.mark.parametrize(
    ("goal", "line"),
    [
        ("metric: activ_users", "unknown metric activ_users: did you mean active_users"),
        ("deadline: null", "has no deadline: a goal without one is never missed"),
        ("deadline: soon", "deadline must be a date like 2025-12-31"),
    ],
)
def test_a_malformed_goal_is_refused(workspace: Workspace, goal: str, line: str) -> None:
    fields = yaml.safe_load(GOALS)[0] | yaml.safe_load(goal)
    (workspace.folder / "wrong.yaml").write_text(yaml.safe_dump([fields]))
    words = ("goals=wrong.yaml", "burn_in_days=0", "privacy.min_group=10", "output=refused")
    assert line in workspace.growthlab("describe", *SHOP, *words).mistake
    assert not (workspace.folder / "refused").exists()


def test_from_python_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    log = SimulatedShop(users=150, items=60, days=150).read()
    goals = yaml.safe_load(GOALS)
    small = ["section=[growth]", "burn_in_days=0", "privacy.min_group=10"]
    report = growthlab.describe(log, goals=goals, overrides=small)
    assert list(report.tables) == ["goals", "growth_by_month", "growth_by_week", "growth_by_day"]
    assert report.title == log.name
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError, match=r"privacy\.min_group must be at least 10, got 2"):
        growthlab.describe(log, overrides=["privacy.min_group=2"])
