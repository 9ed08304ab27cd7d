"""Off-policy value: golden values, a world whose truth is known, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from growthlab.cli.main import main
from growthlab.core.errors import DataError
from growthlab.effects.logged_actions import ActionTable, LoggedActions
from growthlab.effects.off_policy_value import contributions, effective_size, off_policy_value

LOGGED = np.array([[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]])  # a row a stratum, a column an action
TARGET = np.array([[0.2, 0.2, 0.6], [0.6, 0.3, 0.1]])
REWARD = np.array([[0.1, 0.2, 0.4], [0.5, 0.3, 0.2]])
TRUTH = float((TARGET * REWARD).sum(axis=1).mean())
GOLDEN = LoggedActions(
    reward=np.array([1.0, 0, 1, 0, 1]),
    logged=np.array([0.5, 0.5, 0.25, 0.25, 0.5]),
    target=np.array([0.8, 0.2, 0.5, 0.1, 0.8]),
    cluster=np.arange(5),
    direct_logged=np.array([0.6, 0.4, 0.7, 0.2, 0.6]),
    direct_policy=np.array([0.55, 0.5, 0.6, 0.3, 0.55]),
)


def log_of_world(n: int, seed: int) -> pd.DataFrame:
    """A log of the world above, its strata equally often."""
    rng = np.random.default_rng(seed)
    stratum = rng.integers(2, size=n)
    cumulative = LOGGED.cumsum(axis=1)[stratum]
    action = (rng.random(n)[:, None] > cumulative).sum(axis=1).clip(max=2)
    reward = (rng.random(n) < REWARD[stratum, action]).astype(float)
    return pd.DataFrame(
        {
            "hour": np.array(["day", "night"])[stratum],
            "action": np.array(["a", "b", "c"])[action],
            "propensity": LOGGED[stratum, action],
            "target": TARGET[stratum, action],
            "reward": reward,
        }
    )


def policy_of_world() -> pd.DataFrame:
    rows = [
        (hour, action, TARGET[i, j])
        for i, hour in enumerate(("day", "night"))
        for j, action in enumerate("abc")
    ]
    return pd.DataFrame(rows, columns=["hour", "action", "probability"])


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    log_of_world(4000, 0).to_csv("log.csv", index=False)
    policy_of_world().to_csv("policy.csv", index=False)
    return tmp_path


def test_the_golden_log() -> None:
    parts = contributions(GOLDEN, switch_at=1.7, shrinkage=1.0)
    w = GOLDEN.weights
    assert parts["IPS"].mean() == pytest.approx(1.04)
    assert parts["SNIPS"].sum() / w.sum() == pytest.approx(0.866667, abs=1e-6)
    assert effective_size(w) == pytest.approx(3.813559, abs=1e-6)
    assert parts["direct method"].mean() == pytest.approx(0.5)
    assert parts["doubly robust"].mean() == pytest.approx(0.828)
    # switch-DR leaves out the weight 2 of the third row: 2 (1 - 0.7) / 5 less than DR
    assert parts["switch-DR"].mean() == pytest.approx(0.828 - 0.12)
    # shrinkage 1: w / (w^2 + 1) in place of w
    shrunk = w / (w**2 + 1) * (GOLDEN.reward - [0.6, 0.4, 0.7, 0.2, 0.6])
    assert parts["DR with shrinkage"].mean() == pytest.approx(0.5 + shrunk.mean())


def test_all_estimators_find_the_truth_of_a_world(files: Path) -> None:
    table = ActionTable(path="log.csv", strata=["hour"])
    value = off_policy_value(table.read("policy.csv", None))
    assert set(value.estimates) == {
        *("IPS", "SNIPS", "direct method", "doubly robust", "switch-DR", "DR with shrinkage")
    }
    for name, estimate in value.estimates.items():
        assert estimate.value == pytest.approx(TRUTH, abs=0.05), name
        assert np.isnan(estimate.low) == (name == "direct method")
        assert estimate.claim == "ope_value"
    assert value.headline.low < TRUTH < value.headline.high
    own = (LOGGED * REWARD).sum(axis=1).mean()
    assert value.on_policy.low < own < value.on_policy.high
    by_column = off_policy_value(ActionTable(path="log.csv", target="target").read(None, None))
    assert by_column.estimates["IPS"].value == pytest.approx(value.estimates["IPS"].value)
    assert set(by_column.estimates) == {"IPS", "SNIPS"}


def test_rows_of_a_customer_are_resampled_together(files: Path) -> None:
    log = log_of_world(4000, 0)
    log.assign(
        customer=np.arange(4000) // 20,
        reward=log["reward"].groupby(np.arange(4000) // 20).transform("first"),
    ).to_csv("log.csv", index=False)
    together = ActionTable(path="log.csv", target="target", customer="customer").read(None, None)
    alone = replace(together, cluster=np.arange(4000))
    widths = [(v := off_policy_value(a).on_policy).high - v.low for a in (together, alone)]
    # 20 equal rewards a customer: sqrt(20) = 4.5 times as wide
    assert widths[0] > 3 * widths[1]


def test_the_command_writes_its_page_and_says_no_more_than_it_knows(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["actions.path=log.csv", "policy=policy.csv", "actions.strata=[hour]", "name=shown"]
    assert main(["ope", *words]) == 0
    out = capsys.readouterr().out
    assert "The policy would have earned" in out
    assert "less than that" in out
    content = json.loads((files / "reports/shown/ope.json").read_text())
    assert content["claim"] == content["estimates"]["IPS"]["claim"] == "ope_value"
    assert content["estimates"]["direct method"]["low"] is None
    page = (files / "reports/shown/ope.html").read_text()
    assert "What may not be concluded" in page
    assert page.count("<svg") == 1


def test_slates_need_an_assumption_which_is_stated(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = log_of_world(4000, 0).assign(slate=np.arange(4000) // 2, position=np.arange(4000) % 2)
    log.to_csv("log.csv", index=False)
    words = ["ope", "actions.path=log.csv", "actions.target=target", "actions.slate=slate"]
    assert main(words) == 2
    assert "state how their rewards depend on each other" in capsys.readouterr().err
    assert main([*words, "assumption=independent"]) == 0
    said = (files / "reports/policy/ope.html").read_text()
    assert "does not depend on what the other positions show" in said
    assert main([*words, "assumption=cascade"]) == 2
    assert "needs actions.slate and actions.position" in capsys.readouterr().err
    assert main([*words, "actions.position=position", "assumption=cascade"]) == 0
    table = ActionTable(path="log.csv", target="target", slate="slate", position="position")
    cascade = table.read(None, "cascade")
    ratio = (log["target"] / log["propensity"]).to_numpy().reshape(-1, 2)
    np.testing.assert_allclose(cascade.weights.reshape(-1, 2), np.cumprod(ratio, axis=1))


@pytest.mark.parametrize(
    ("change", "words", "line"),
    [
        ({"propensity": None}, [], "4,000 of 4,000 rows of log.csv have no propensity"),
        ({"propensity": 1.0}, [], "every propensity is 1, so the log holds no chance"),
        ({"propensity": 1.5}, [], "have a propensity that is no probability"),
        ({"propensity": 0.0}, [], "no probability of something that was shown, such as 0"),
        ({"reward": None}, [], "have no reward"),
        ({"target": 2.0}, [], "have a target that is no probability"),
        ({"target": 0.001}, [], "the mean weight is 0.00"),
        ({}, ["actions.propensity=p"], "without propensities no other policy can be estimated"),
        ({}, ["policy=policy.csv"], "give one"),
        ({}, ["assumption=none"], "assumption must be independent or cascade"),
        ({}, ["switch_at=0"], "switch_at must be above 0"),
        ({}, ["actions.path=none.csv"], "there is no such file"),
    ],
)
def test_what_the_log_cannot_say_is_refused_in_a_line(
    change: dict[str, object],
    words: list[str],
    line: str,
    files: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    log_of_world(4000, 0).assign(**change).to_csv("log.csv", index=False)
    given = {"actions.path": "log.csv", "actions.target": "target"}
    given |= dict(word.split("=") for word in words)
    assert main(["ope", *(f"{key}={value}" for key, value in given.items())]) == 2
    err = capsys.readouterr().err
    assert line in err
    assert err.count("growthlab: ") == 1
    assert not (files / "reports").exists()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda p: p.assign(probability=p["probability"] * 0.9), "add up to 0.9, not to 1"),
        (lambda p: p[p["hour"] == "day"], "says nothing of night"),
        (lambda p: p.replace({"action": {"c": "d"}}), r"support is broken: 3\d"),
        (lambda p: pd.concat([p, p]).assign(probability=p["probability"] / 2), "twice"),
        (lambda p: p.drop(columns="probability"), "no column probability: a policy has hour, act"),
    ],
)
def test_a_policy_that_is_none_or_has_no_support_is_refused(
    change: Callable[[pd.DataFrame], pd.DataFrame], line: str, files: Path
) -> None:
    change(policy_of_world()).to_csv("policy.csv", index=False)
    table = ActionTable(path="log.csv", strata=["hour"])
    with pytest.raises(DataError, match=line):
        off_policy_value(table.read("policy.csv", None))


def test_an_effective_size_below_100_is_refused(files: Path) -> None:
    log_of_world(110, 0).to_csv("log.csv", index=False)
    table = ActionTable(path="log.csv", strata=["hour"])
    with pytest.raises(DataError, match=r"the effective sample size is .* of 110 rows, below 100"):
        off_policy_value(table.read("policy.csv", None))


@pytest.mark.data
@pytest.mark.parametrize("campaign", ["men", "women"])
def test_the_thompson_policy_from_the_random_log_beside_its_own_mean(
    campaign: str, real_data: Callable[[str], Path], tmp_path: Path
) -> None:
    logs = pd.read_parquet(real_data("open_bandit") / "logs.parquet")
    logs = logs[logs["campaign"] == campaign]
    random, thompson = (logs[logs["behavior_policy"] == name] for name in ("random", "bts"))
    shares = thompson.groupby("position")["item_id"].value_counts(normalize=True)
    policy = shares.rename("probability").reset_index()
    random.to_parquet(tmp_path / "log.parquet")
    policy.to_parquet(tmp_path / "policy.parquet")
    table = ActionTable(
        path=str(tmp_path / "log.parquet"),
        reward="click",
        action="item_id",
        propensity="propensity_score",
        strata=["position"],
    )
    value = off_policy_value(table.read(str(tmp_path / "policy.parquet"), None))
    on_policy = float(thompson["click"].mean())
    assert value.weights.effective_size > 100
    assert value.headline.low < on_policy < value.headline.high
    assert value.estimates["SNIPS"].low < on_policy < value.estimates["SNIPS"].high
