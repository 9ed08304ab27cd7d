"""A shadow's answers compared with the champion's: what is paired, what is counted, and what is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from growthlab.bundle.bundle import Bundle
from growthlab.monitoring import shadow_agreement
from growthlab.monitoring.alerts import AlertLimits
from growthlab.monitoring.log_reader import LogPeriod
from growthlab.monitoring.log_summary import summarise_log
from growthlab.monitoring.monitoring_page import monitoring_html
from growthlab.monitoring.monitoring_report import MonitoringReport
from growthlab.monitoring.proportions import Proportion
from growthlab.monitoring.shadow_agreement import PairedAnswers, RunningMean, ShadowAgreement

Line = dict[str, Any]
LineOf = Callable[..., Line]
ALWAYS = LogPeriod()
SHADOW = {"variant": "shadow", "model": "ease", "version": "s"}


def answer(number: int, *items: str, **fields: Any) -> Line:
    """A champion's list, or what `fields` make of it."""
    shared = {"request_id": str(number), "kind": "recommend", "served": "known", "level": 0}
    who = {"variant": "champion", "model": "item_knn", "version": "c"}
    return {**shared, **who, "items": list(items), "status": 200, **fields}


def paired(*lines: Line, of_lists: bool = True) -> ShadowAgreement:
    """What the lines give, one after the other, as blocks of one."""
    agreement = ShadowAgreement(of_lists=of_lists)
    for line in lines:
        agreement.add([line])
    return agreement


def one(found: ShadowAgreement) -> PairedAnswers:
    """All the pairs of the only champion and the only shadow."""
    (pair,) = found.pairs.values()
    return pair.every


def test_lists_of_one_request_are_paired_wherever_they_stand() -> None:
    agreement = paired(
        answer(1, "a", "b", "c", "d"),
        answer(2, "a", "b"),
        answer(3, "x"),
        answer(2, "a", "z", **SHADOW),  # half of the two, the first the same
        answer(1, "d", "c", "b", "y", **SHADOW),  # three of four
    )
    assert list(agreement.pairs) == [(("item_knn", "c"), ("ease", "s"))]
    assert one(agreement).overlap.value == pytest.approx((0.5 + 0.75) / 2)
    assert one(agreement).equal_first == Proportion(1, 2)
    assert agreement.n_alone == 0


def test_ten_places_are_compared_and_an_empty_list_of_the_champion_is_no_pair() -> None:
    long = [f"i{n}" for n in range(20)]
    agreement = paired(answer(1, *long), answer(1, *reversed(long), **SHADOW))
    assert one(agreement).overlap.value == 0  # its first ten are the champion's last
    agreement = paired(answer(1), answer(1, "a", **SHADOW), answer(2, "a"), answer(2, **SHADOW))
    assert (one(agreement).n, one(agreement).overlap.value) == (1, 0)  # the shadow's empty list is


def test_the_interval_of_a_mean_is_students() -> None:
    values = np.random.default_rng(0).uniform(5, 6, 30)
    mean = RunningMean()
    for value in values:
        mean.add(value)
    expected = stats.t.interval(0.95, 29, values.mean(), stats.sem(values))
    assert mean.bounds() == pytest.approx(expected)
    assert mean.bounds(most=5.5)[1] == 5.5
    assert np.isnan(RunningMean().value)
    assert np.isnan(RunningMean(n=1).bounds()).all()


def test_predictions_are_compared_by_rank_and_by_difference() -> None:
    rng = np.random.default_rng(0)
    champion, shadow = rng.uniform(size=(2, 50))
    lines = []
    for n, (p, q) in enumerate(zip(champion.tolist(), shadow.tolist(), strict=True)):
        lines.append(answer(n, kind="churn", value=p))
        lines.append(answer(n, **SHADOW | {"kind": "churn", "value": q}))
    lines += [answer(98, kind="churn", value=0.5), answer(98, kind="churn", value=None, **SHADOW)]
    pairs = one(paired(*lines, of_lists=False))
    assert pairs.n == 50
    assert pairs.spearman == pytest.approx(stats.spearmanr(champion, shadow).statistic)
    assert pairs.size.value == pytest.approx(np.abs(shadow - champion).mean())
    assert pairs.difference.value == pytest.approx((shadow - champion).mean())


def test_fallbacks_on_either_side_are_counted_apart() -> None:
    popular = {"served": "popularity_fallback", "level": 4}
    agreement = paired(
        answer(1, "a", **popular),
        answer(1, "a", **SHADOW | popular),
        answer(2, "a"),
        answer(2, "b", **SHADOW | popular),
        answer(3, "a"),
        answer(3, "b", **SHADOW),
    )
    (pair,) = agreement.pairs.values()
    assert (pair.every.n, pair.every.overlap.value) == (3, pytest.approx(1 / 3))
    assert (pair.personal.n, pair.personal.overlap.value) == (1, 0)


def test_failed_answers_and_the_challengers_are_no_pairs() -> None:
    failed = {"served": "failed", "status": 500}
    agreement = paired(
        answer(1, "a"),
        answer(1, **SHADOW | failed),
        answer(2, **failed),
        answer(2, "a", **SHADOW),
        answer(3, "a", variant="challenger"),
        answer(3, "a", **SHADOW),
        answer(4, "a", **SHADOW),  # whose champion's answer came before the log begins
        answer(5, **SHADOW | failed),
    )
    assert agreement.pairs == {}
    assert agreement.n_alone == 1


def test_only_the_latest_answers_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow_agreement, "MOST_WAITING", 3)
    champions = [answer(n, "a") for n in range(5)]
    found = paired(*champions)
    assert len(found._waiting) == 3
    found.add([answer(n, "a", **SHADOW) for n in range(5)])
    assert (one(found).n, found.n_alone) == (3, 2)
    assert found._waiting == {}


def test_ranks_of_many_pairs_are_those_of_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow_agreement, "SAMPLE", 400)
    rng = np.random.default_rng(0)
    champion = rng.normal(size=4000)
    shadow = champion + rng.normal(size=4000)
    pairs = PairedAnswers()
    for p, q in zip(champion.tolist(), shadow.tolist(), strict=True):
        pairs.add_values(p, q)
    assert len(pairs._kept) == 400
    exact = stats.spearmanr(champion, shadow).statistic
    # the standard error of a rank correlation of 0.69 over 400 pairs is about 0.03
    assert pairs.spearman == pytest.approx(exact, abs=0.09)
    assert pairs.difference.value == pytest.approx((shadow - champion).mean())
    # a uniform sample: its places in the log are spread over all of it, 2000 +- 3 x 1155 / sqrt(400)
    places = [float(np.flatnonzero(champion == p)[0]) for p, _ in pairs._kept]
    assert np.mean(places) == pytest.approx(2000, abs=173)


def test_the_report_the_page_and_the_metrics_hold_it(
    lists_bundle: Bundle, line_of: LineOf, write: Callable[..., Path]
) -> None:
    lines = [line_of(lists_bundle, n, items=["i01", "i02"]) for n in range(40)]
    lines += [line_of(lists_bundle, n, items=["i01", "i09"]) | SHADOW for n in range(30)]
    report = MonitoringReport.of(summarise_log(lists_bundle, write(lines), ALWAYS), AlertLimits())
    name = f"item_knn {lists_bundle.manifest.version}"
    row, personal = (x for x in report.as_text().splitlines() if x.startswith("ease s  "))
    assert f"{name}             all     30" in row
    assert f"{name}  by both models     30" in personal
    assert "50.0% [50.0%, 50.0%]" in row
    assert "100.00% [88.65%, 100.00%]" in row  # 30 of 30: Wilson 30 / (30 + 3.8415)
    assert "Shadow and champion" in monitoring_html(report)
    metrics = report.metrics()
    assert metrics["shadow/pairs"] == 30
    assert metrics["shadow/overlap_at_10"] == metrics["shadow/overlap_at_10/low"] == 0.5
    assert metrics["shadow/by_both_models/same_first_item"] == 1


def test_of_two_shadows_the_metrics_are_of_the_one_with_more_answers(
    lists_bundle: Bundle, line_of: LineOf, write: Callable[..., Path]
) -> None:
    lines = [line_of(lists_bundle, n, items=["i01"]) for n in range(9)]
    lines += [line_of(lists_bundle, n, items=["i01"]) | SHADOW for n in range(3)]
    lines += [line_of(lists_bundle, n, items=["i02"]) | SHADOW | {"version": "t"} for n in (4, 5)]
    summary = summarise_log(lists_bundle, write(lines), ALWAYS)
    assert [pair.every.n for pair in summary.agreement.pairs.values()] == [3, 2]
    assert MonitoringReport.of(summary, AlertLimits()).metrics()["shadow/overlap_at_10"] == 1


def test_a_log_without_a_shadow_says_nothing_of_one(
    churn_bundle: Bundle, line_of: LineOf, write: Callable[..., Path]
) -> None:
    lines = [line_of(churn_bundle, n, value=0.5) for n in range(3)]
    report = MonitoringReport.of(summarise_log(churn_bundle, write(lines), ALWAYS), AlertLimits())
    assert "Shadow" not in "".join(table.title for table in report.tables)
    assert not any(name.startswith("shadow") for name in report.metrics())
    lines += [line_of(churn_bundle, n, value=0.25) | SHADOW for n in range(3)]
    report = MonitoringReport.of(summarise_log(churn_bundle, write(lines), ALWAYS), AlertLimits())
    assert "0.2500 [0.2500, 0.2500]  -0.2500 [-0.2500, -0.2500]" in report.as_text()
    assert report.metrics()["shadow/mean_difference"] == -0.25


def test_what_a_shadow_did_not_answer_is_counted_with_its_reason(
    lists_bundle: Bundle, line_of: LineOf, write: Callable[..., Path]
) -> None:
    lines = []
    for n in range(10):
        lines.append(line_of(lists_bundle, n, items=["i00"], scores=[1.0]))
        why = {6: ("failed", 500), 7: ("refused", 422), 8: ("dropped", 429), 9: ("dropped", 429)}
        served, status = why.get(n, ("known", 200))
        items = ["i00"] if status == 200 else []
        shadow = line_of(lists_bundle, n, items=items, served=served, status=status)
        lines.append(shadow | {"variant": "shadow", "model": "ease", "version": "s"})
    summary = summarise_log(lists_bundle, write(lines), ALWAYS)
    assert one(summary.agreement).n == 6
    assert summary.agreement.n_alone == 0
    shadow = summary.variants["shadow", "ease", "s"]
    assert (shadow.n, shadow.n_failed, shadow.served["dropped"]) == (6, 1, 0)
    report = MonitoringReport.of(summary, AlertLimits())
    (table,) = [t for t in report.tables if t.title == "What shadows did not answer"]
    assert table.rows == [
        ["ease s", "no time: too many requests waited", "2", "20.0%"],
        ["ease s", "failed inside the shadow", "1", "10.0%"],
        ["ease s", "refused as a mistake of the client, which the champion answered", "1", "10.0%"],
    ]
    counts = {n: v for n, v in report.metrics().items() if n.startswith("shadow/")}
    assert {n: counts[f"shadow/{n}"] for n in ("dropped", "failed", "refused")} == {
        "dropped": 2, "failed": 1, "refused": 1,
    }  # fmt: skip
    assert "no time: too many requests waited" in monitoring_html(report)
