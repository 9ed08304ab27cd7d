"""A bundle that was refreshed is the same model: its log is read over all of its states."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from growthlab.bundle.bundle import Bundle
from growthlab.bundle.reference import REFERENCE
from growthlab.cli.main import main
from growthlab.config.compose import compose
from growthlab.core.build import build
from growthlab.core.errors import DataError
from growthlab.data.event_log import EventLog
from growthlab.export.refresh_state import refresh
from growthlab.monitoring.alerts import AlertLimits
from growthlab.monitoring.log_reader import LogPeriod
from growthlab.monitoring.log_summary import ServedPrediction, summarise_log
from growthlab.monitoring.monitoring_report import MonitoringReport
from growthlab.monitoring.proportions import Proportion
from growthlab.tasks.base import Task
from growthlab.tasks.churn import Churn
from growthlab.tasks.delayed_outcomes import evaluate_delayed
from growthlab.tasks.top_n import TopN

Lines = list[dict[str, Any]]
Line = Callable[..., dict[str, Any]]
ALWAYS = LogPeriod()


def purchases(*rows: tuple[str, str]) -> EventLog:
    """A log of purchases of the most popular item: user and day."""
    frame = pd.DataFrame(rows, columns=["user_id", "timestamp"])
    frame["timestamp"] = pd.to_datetime(frame["timestamp"])
    return EventLog.from_frames(frame.assign(item_id="i00", event_type="purchase"))


def copied(bundle: Bundle, folder: Path) -> Path:
    shutil.copytree(bundle.folder, folder)
    return folder


@pytest.fixture
def churn_twice(churn_bundle: Bundle, tmp_path: Path) -> Bundle:
    """The churn bundle, whose horizon ends on 2024-03-29, as of 2024-03-11: that ends on 2024-04-08."""
    folder = copied(churn_bundle, tmp_path / "churn")
    events = purchases(*((f"user{n:04}", "2024-03-05") for n in range(200)))
    task = build(compose("train", ["task=churn"]).config.task, Task)
    cutoff = datetime(2024, 3, 11)
    refresh(folder, events, "watched_shop", task=task, cutoff=cutoff, same_data=False)
    return Bundle.load(folder)


@pytest.fixture
def lists_twice(lists_bundle: Bundle, tmp_path: Path) -> Bundle:
    """The recommender, which by now knows the first hundred customers only."""
    folder = copied(lists_bundle, tmp_path / "lists")
    events = purchases(*((f"user{n:03}", "2024-03-05") for n in range(100)))
    cutoff = datetime(2024, 3, 11)
    refresh(folder, events, "watched_shop", task=TopN(), cutoff=cutoff, same_data=False)
    return Bundle.load(folder)


def pseudonym(bundle: Bundle, user: str) -> str:
    assert bundle.key is not None
    return bundle.key.pseudonym(bundle.manifest.namespace, user)


def test_the_log_of_both_states_is_one_report(
    lists_bundle: Bundle,
    lists_twice: Bundle,
    lists_of: Callable[..., Lines],
    line_of: Line,
    feedback: Line,
    write: Callable[..., Path],
) -> None:
    before = lists_of(range(300))
    after = [line_of(lists_twice, 300 + n, items=["i01"], scores=[0.5]) for n in range(50)]
    own, name = lists_twice.manifest.version, lists_twice.manifest.model
    assert own != lists_bundle.manifest.version
    other = [line_of(lists_twice, 400, version="x", variant="challenger")]
    path = write([*before, *after, *other, feedback(7, "click"), feedback(320, "click")])
    summary = summarise_log(lists_twice, path, ALWAYS)
    assert {who: tally.n for who, tally in summary.variants.items()} == {
        ("champion", name, own): 350,
        ("challenger", name, "x"): 1,
    }
    assert summary.own.rate("click") == Proportion(2, 350)
    assert summary.reference is not None
    assert {drift.name for drift in summary.drifts} == {"score", "items listed"}
    assert {drift.n_current for drift in summary.drifts} == {350}
    report = MonitoringReport.of(summary, AlertLimits())
    assert "350 answers of this bundle" in report.facts[0]
    assert report.facts[1].startswith("they are of 2 states of one model")
    with pytest.raises(DataError, match="give the bundle that answered"):
        summarise_log(
            lists_bundle, write(after), ALWAYS
        )  # the older bundle knows nothing of a later one


def test_a_shadow_is_compared_with_the_one_champion(
    lists_twice: Bundle, lists_of: Callable[..., Lines], write: Callable[..., Path]
) -> None:
    lines = lists_of(range(40))
    own, name = lists_twice.manifest.version, lists_twice.manifest.model
    lines[20:] = [{**line, "version": own} for line in lines[20:]]
    shadows = [{**line, "variant": "shadow", "version": "y"} for line in lines]
    summary = summarise_log(lists_twice, write([*lines, *shadows]), ALWAYS)
    assert {who: pair.every.n for who, pair in summary.agreement.pairs.items()} == {
        ((name, own), (name, "y")): 40
    }


def test_a_customer_counts_once_over_all_states_and_with_what_is_known_now(
    churn_bundle: Bundle, churn_twice: Bundle, line_of: Line, write: Callable[..., Path]
) -> None:
    def line(place: int, bundle: Bundle, number: int, days: float) -> dict[str, Any]:
        user = pseudonym(bundle, f"user{number:04}")
        return line_of(bundle, place, user=user, features={"days_since_last": days}, value=0.5)

    # 150 of those who are known still (user0000 ... user0199), 30 whom only the first state knew
    first = [line(n, churn_bundle, n, 200.0) for n in range(150)]
    gone = [line(150 + n, churn_bundle, 200 + n, 200.0) for n in range(30)]
    now = [line(300 + n, churn_twice, n, 6.0) for n in range(150)]
    path = write([*first, *gone, *gone, *now])
    (drift,) = [
        d
        for d in summarise_log(churn_twice, path, ALWAYS).drifts
        if d.name == "feature.days_since_last"
    ]
    # 200 days lie above the last decile, 6 days in the first one: 0 ... 90 days, each alike often
    assert drift.current.tolist() == [150, *[0] * 8, 30, 0]


def test_each_prediction_is_evaluated_in_the_horizon_of_the_state_that_made_it(
    churn_bundle: Bundle, churn_twice: Bundle, line_of: Line, write: Callable[..., Path]
) -> None:
    old, new = churn_bundle.manifest.version, churn_twice.manifest.version
    names = [pseudonym(churn_twice, f"user000{n}") for n in range(4)]

    def line(place: int, bundle: Bundle, user: int, value: float) -> dict[str, Any]:
        return line_of(bundle, place, user=names[user], value=value)

    made = [line(0, churn_bundle, 0, 0.1), line(1, churn_bundle, 1, 0.8)]
    made += [line(2, churn_twice, 2, 0.2), line(3, churn_twice, 3, 0.7)]
    made += [line(4, churn_twice, 0, 0.9)]  # again: the first is evaluated
    served = summarise_log(churn_twice, write(made), ALWAYS).predictions
    assert served == {
        names[0]: ServedPrediction(0.1, old),
        names[1]: ServedPrediction(0.8, old),
        names[2]: ServedPrediction(0.2, new),
        names[3]: ServedPrediction(0.7, new),
    }
    newer = [
        ("user0000", "2024-03-05"),  # within the first horizon: stays
        ("user0001", "2024-04-02"),  # after the first, within the second: a leaver
        ("user0002", "2024-04-02"),  # within the second: stays
        ("user0003", "2024-03-05"),  # within the first, before the second: a leaver
    ]
    found = evaluate_delayed(
        Churn(), churn_twice, served, purchases(*newer, ("user0000", "2024-04-09"))
    )
    # labels 0, 1, 0, 1; squares 0.01, 0.04, 0.04, 0.09
    assert found.now["roc_auc"].value == 1
    assert found.now["brier"].value == pytest.approx(0.045)
    assert (found.n, found.n_not_over) == (4, 0)
    half = evaluate_delayed(
        Churn(), churn_twice, served, purchases(*newer)
    )  # up to 2024-04-02: the first is over
    assert (half.n, half.n_not_over, half.now["brier"].value) == (2, 2, pytest.approx(0.025))
    message = MonitoringReport.of(
        summarise_log(churn_twice, write(made), ALWAYS), AlertLimits(), half
    ).facts
    assert any(
        fact.startswith("2 predictions are evaluated; for 2 more the horizon") for fact in message
    )
    with pytest.raises(DataError, match=r"end at 2024-03-05 .* the horizon of .* at 2024-03-29"):
        evaluate_delayed(Churn(), churn_twice, served, purchases(*newer[:1]))
    late = {name: one for name, one in served.items() if one.version == new}
    with pytest.raises(DataError, match=r"end at 2024-04-02 .* the horizon of .* at 2024-04-08"):
        evaluate_delayed(Churn(), churn_twice, late, purchases(*newer))


def test_the_command_reads_on_after_a_refresh(
    churn_bundle: Bundle,
    churn_twice: Bundle,
    line_of: Line,
    write: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    before = [line_of(churn_bundle, n, value=0.5) for n in range(3)]
    path = write([*before, line_of(churn_twice, 3, value=0.5)])
    assert main(["monitor", f"bundle={churn_twice.folder}", f"log={path}"]) == 0
    out = capsys.readouterr().out
    assert "4 answers of this bundle" in out
    assert "they are of 2 states of one model: it was refreshed meanwhile" in out


def test_a_manifest_without_earlier_states_is_watched_as_before(
    churn_bundle: Bundle, churn_twice: Bundle, line_of: Line, write: Callable[..., Path]
) -> None:
    lone = replace(churn_twice, manifest=replace(churn_twice.manifest, earlier={}))
    lines = [line_of(churn_bundle, n, value=0.5) for n in range(3)] + [line_of(lone, 3, value=0.5)]
    assert summarise_log(lone, write(lines), ALWAYS).own.n == 1


def test_the_reference_stays_that_of_the_export(
    churn_bundle: Bundle, churn_twice: Bundle, lists_bundle: Bundle, lists_twice: Bundle
) -> None:
    for before, after in ((churn_bundle, churn_twice), (lists_bundle, lists_twice)):
        assert (after.folder / REFERENCE).read_bytes() == (before.folder / REFERENCE).read_bytes()
        assert after.manifest.files[REFERENCE] == before.manifest.files[REFERENCE]
