"""The summarise_log over a log: what is counted, what alerts, and what is refused."""

from __future__ import annotations

import shutil
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from growthlab.bundle.answers import RecommendRequest
from growthlab.bundle.bundle import Bundle
from growthlab.bundle.manifest import Manifest, checksums_of
from growthlab.bundle.reference import REFERENCE
from growthlab.core.errors import ConfigError, DataError
from growthlab.monitoring import log_reader as request_log
from growthlab.monitoring.alerts import AlertLimits
from growthlab.monitoring.log_reader import LogPeriod
from growthlab.monitoring.log_summary import LogSummary, summarise_log
from growthlab.monitoring.monitoring_page import monitoring_html
from growthlab.monitoring.monitoring_report import MonitoringReport, finite
from growthlab.monitoring.proportions import Proportion
from growthlab.serving.pending_request import PendingRequest, log_record, log_record_of_failure

Lines = list[dict[str, Any]]
Line = Callable[..., dict[str, Any]]
ALWAYS = LogPeriod()


def alerts(found: LogSummary, **limits: float) -> set[str]:
    """What alerts are about."""
    return {alert.about for alert in AlertLimits(**limits).alerts(found)}


def failure(line: dict[str, Any]) -> dict[str, Any]:
    """The line where the request failed inside the service."""
    return {
        **line,
        "served": "failed",
        "status": 500,
        "items": [],
        "scores": [],
        "latency_ms": 900.0,
    }


def test_the_same_customers_again_raise_no_alert(
    lists_bundle: Bundle, lists_of: Callable[..., Lines], write: Callable[..., Path]
) -> None:
    summary = summarise_log(lists_bundle, write(lists_of(range(400))), ALWAYS)
    assert alerts(summary) == set()
    assert summary.own.n == 400
    by_name = {drift.name: drift for drift in summary.drifts}
    assert set(by_name) == {"score", "items listed"}
    assert {drift.n_compared for drift in summary.drifts} == {2}
    assert by_name["score"].psi < 0.001  # ties aside the very lists of the reference
    assert summary.spread is not None
    assert summary.spread.coverage == pytest.approx(summary.spread.reference_coverage, abs=0.02)


@pytest.mark.parametrize("seed", range(8))
def test_other_customers_of_the_same_shop_raise_no_alert(
    seed: int,
    lists_bundle: Bundle,
    churn_bundle: Bundle,
    lists_of: Callable[..., Lines],
    churn_of: Callable[..., Lines],
    write: Callable[..., Path],
) -> None:
    rng = np.random.default_rng(seed)
    asked = rng.integers(0, 400, 150).tolist()
    assert alerts(summarise_log(lists_bundle, write(lists_of(asked)), ALWAYS)) == set()
    days = rng.uniform(0, 90, 150).tolist()
    assert alerts(summarise_log(churn_bundle, write(churn_of(days)), ALWAYS)) == set()


def test_customers_who_stay_away_longer_alert(
    churn_bundle: Bundle, churn_of: Callable[..., Lines], write: Callable[..., Path]
) -> None:
    days = np.random.default_rng(1).uniform(40, 130, 300).tolist()
    summary = summarise_log(churn_bundle, write(churn_of(days)), ALWAYS)
    assert alerts(summary) == {"feature.days_since_last", "score"}
    (text,) = (a.text for a in AlertLimits().alerts(summary) if a.about == "score")
    assert "score: the distribution moved: PSI" in text
    assert "(300 values)" in text


def test_a_feature_that_is_no_longer_sent_alerts(
    churn_bundle: Bundle, churn_of: Callable[..., Lines], write: Callable[..., Path]
) -> None:
    days = np.random.default_rng(1).uniform(0, 90, 300).tolist()
    lost: list[float | None] = [None if n % 3 == 0 else day for n, day in enumerate(days)]
    summary = summarise_log(churn_bundle, write(churn_of(lost)), ALWAYS)
    assert "feature.days_since_last" in alerts(summary)
    (drift,) = (d for d in summary.drifts if d.name == "feature.days_since_last")
    assert drift.largest_change == ("(missing)", pytest.approx(1e-4), pytest.approx(100 / 300))
    report = MonitoringReport.of(summary, AlertLimits())
    assert report.metrics()["missing/feature.days_since_last"] == pytest.approx(100 / 300)
    assert "0.0% to 33.3%" in report.as_text()


def test_lists_of_a_few_items_alert(
    lists_bundle: Bundle, line_of: Line, write: Callable[..., Path]
) -> None:
    items = [f"i{n:02}" for n in range(50, 60)]  # the least popular, for every customer
    lines = [line_of(lists_bundle, n, items=items, scores=[0.1] * 10) for n in range(200)]
    summary = summarise_log(lists_bundle, write(lines), ALWAYS)
    assert {"items listed", "score", "coverage"} <= alerts(summary)
    assert summary.spread is not None
    # 10 of 60 items; 200 x 10 places equally often: Gini of 50 zeros and 10 equal ones
    assert summary.spread.coverage == pytest.approx(10 / 60)
    assert summary.spread.gini == pytest.approx(50 / 59, abs=1e-6)


def test_shorter_lists_are_compared_with_lists_as_short(
    lists_bundle: Bundle, lists_of: Callable[..., Lines], write: Callable[..., Path]
) -> None:
    lines = [{**line, "items": line["items"][:3]} for line in lists_of(range(400))]
    summary = summarise_log(lists_bundle, write(lines), ALWAYS)
    (drift,) = (d for d in summary.drifts if d.name == "items listed")
    assert drift.psi < 0.01
    assert drift.n_current == 400
    assert summary.spread is not None  # of three places each, which show less than ten do
    assert summary.spread.n_places == 1200
    assert summary.spread.coverage == pytest.approx(summary.spread.reference_coverage, abs=0.02)


def test_what_the_rules_of_the_shop_do_to_the_lists_is_no_drift_of_the_model(
    lists_bundle: Bundle, lists_of: Callable[..., Lines], write: Callable[..., Path]
) -> None:
    pinned = [f"i{n:02}" for n in range(50, 60)]
    lines = lists_of(range(400))
    ruled = [
        {**x, "before_rules": x["items"], "items": pinned, "scores": [99.0] * 10} for x in lines
    ]
    summary = summarise_log(lists_bundle, write(ruled), ALWAYS)
    assert alerts(summary) == set()
    assert {drift.name for drift in summary.drifts} == {
        "items listed"
    }  # the scores are of other items
    assert summary.spread is not None
    assert summary.spread.shown_coverage == pytest.approx(10 / 60)
    assert summary.spread.coverage == pytest.approx(summary.spread.reference_coverage, abs=0.02)
    same = [{**x, "before_rules": x["items"], "items": x["items"][:4]} for x in lines]
    summary = summarise_log(lists_bundle, write(same), ALWAYS)
    assert {drift.name: drift.n_current for drift in summary.drifts}["score"] == 400


def test_what_the_service_writes_is_what_is_read_here(
    lists_bundle: Bundle, write: Callable[..., Path]
) -> None:
    model: Any = SimpleNamespace(
        bundle=lists_bundle, info=SimpleNamespace(version=lists_bundle.manifest.version)
    )
    history = ["i01", "i02", "gone"]
    asked = [RecommendRequest(user_id="user001"), RecommendRequest(history=history)]
    asked += [RecommendRequest(user_id="nobody"), RecommendRequest(), RecommendRequest()]
    answers = lists_bundle.recommend(asked, 10)
    lines = []
    for n, (request, answer) in enumerate(zip(asked, answers, strict=True)):
        future: Any = None
        one = PendingRequest("recommend", request, 10, f"{n:032x}", "champion", model, future, True)
        failed = n == len(asked) - 1
        lines.append(
            (log_record_of_failure(one) if failed else log_record(one, answer, 2.5)).line()
        )
    own = summarise_log(lists_bundle, write([line.strip() for line in lines]), ALWAYS).own
    assert own.served == {"known": 1, "folded_in": 1, "popularity_fallback": 2}
    assert (own.fallbacks, own.n_anonymous) == (Proportion(2, 4), 1)
    assert own.unknown_items == Proportion(1, 3)
    assert own.errors == Proportion(1, 5)


def test_items_that_requests_name_are_compared_with_the_histories(
    lists_bundle: Bundle, line_of: Line, write: Callable[..., Path]
) -> None:
    rng = np.random.default_rng(3)
    weights = 1 / (np.arange(60) + 5)
    usual = [
        line_of(lists_bundle, n, asked=[f"i{code:02}" for code in codes], n_history=5)
        for n, codes in enumerate(rng.choice(60, (300, 5), p=weights / weights.sum()))
    ]
    assert alerts(summarise_log(lists_bundle, write(usual), ALWAYS)) == set()
    strange = [{**line, "asked": [*line["asked"][:3], "new", "newer"]} for line in usual]
    summary = summarise_log(lists_bundle, write(strange), ALWAYS)
    assert alerts(summary) == {"items named in requests"}
    (drift,) = (d for d in summary.drifts if d.name == "items named in requests")
    assert drift.largest_change == ("(unknown item)", pytest.approx(1e-4), pytest.approx(0.4))


def test_an_entry_of_a_batch_has_its_part_of_the_time(
    lists_bundle: Bundle, line_of: Line, write: Callable[..., Path]
) -> None:
    # 100 batches of 50: each took 400 ms as a whole, so 8 ms an entry
    together = {"latency_ms": 400.0, "n_in_request": 50}
    lines = [line_of(lists_bundle, n, **together) for n in range(5000)]
    summary = summarise_log(lists_bundle, write(lines), ALWAYS)
    assert summary.own.latency(0.99) == pytest.approx(8, rel=0.021)
    assert "latency" not in alerts(summary)
    slow = [{**line, "latency_ms": 10_000.0} for line in lines]  # 200 ms an entry
    assert "latency" in alerts(summarise_log(lists_bundle, write(slow), ALWAYS))
    odd = [{**lines[0], "n_in_request": value} for value in (0, -3, "x", True, None, 1.5)]
    summary = summarise_log(lists_bundle, write(odd), ALWAYS)  # as a request of its own
    assert summary.own.latency(0.01) == pytest.approx(400, rel=0.021)


def test_fallbacks_unknown_items_errors_and_slowness_alert(
    lists_bundle: Bundle, line_of: Line, write: Callable[..., Path]
) -> None:
    lines = [line_of(lists_bundle, n) for n in range(100)]
    lines += [
        line_of(lists_bundle, 100 + n, served="popularity_fallback", level=4, n_history=2)
        | {"n_unknown_items": 2, "latency_ms": 700.0}
        for n in range(100)
    ]
    lines += [
        line_of(lists_bundle, 200 + n, served="not_personalised", level=4, personalised=False)
        | {"n_history": 3}  # which nobody looked at
        for n in range(50)
    ]
    lines += [failure(line_of(lists_bundle, 250 + n)) for n in range(50)]
    summary = summarise_log(lists_bundle, write(lines), ALWAYS)
    assert summary.own.fallbacks == Proportion(
        100, 200
    )  # who wants no personal list is no fallback
    assert summary.own.unknown_items == Proportion(200, 200)
    assert summary.own.errors == Proportion(50, 300)
    assert summary.own.n_opted_out == 50
    # 250 latencies: 150 of 4 ms, 100 of 700 ms; bins of 2 %
    assert summary.own.latency(0.5) == pytest.approx(4, rel=0.021)
    assert summary.own.latency(0.99) == pytest.approx(700, rel=0.021)
    assert alerts(summary) == {"fallbacks", "unknown items", "errors", "latency"}
    assert alerts(summary, fallback_rise=0.6, p99_ms=1000, errors=0.3) == {"unknown items"}


def test_failed_requests_count_as_errors_and_as_nothing_else(
    lists_bundle: Bundle, lists_of: Callable[..., Lines], write: Callable[..., Path]
) -> None:
    good = lists_of(range(200))
    bad = [failure(line) | {"level": 4, "personalised": False} for line in lists_of(range(40))]
    bad = [{**line, "request_id": f"bad{n}", "n_unknown_items": 9} for n, line in enumerate(bad)]
    alone = summarise_log(lists_bundle, write(good), ALWAYS)
    summary = summarise_log(lists_bundle, write([*bad, *good]), ALWAYS)
    before, after = (
        finite(MonitoringReport.of(f, AlertLimits()).metrics()) for f in (alone, summary)
    )
    assert set(before) == set(after)
    differing = {name for name in after if after[name] != before[name]}
    assert differing == {"share/errors", "alerts", "alerts/grave"}
    assert summary.own.errors == Proportion(40, 240)
    assert alerts(summary) == {"errors"}
    assert {d.name: d.current.tolist() for d in summary.drifts} == {
        d.name: d.current.tolist() for d in alone.drifts
    }
    assert (
        "40 more requests failed inside the service"
        in MonitoringReport.of(summary, AlertLimits()).as_text()
    )


def test_a_log_of_failures_alone_is_reported(
    churn_bundle: Bundle, line_of: Line, write: Callable[..., Path]
) -> None:
    lines = [failure(line_of(churn_bundle, n, variant=v)) for n in range(150) for v in ("shadow",)]
    summary = summarise_log(churn_bundle, write(lines), ALWAYS)
    report = MonitoringReport.of(summary, AlertLimits())
    assert [alert.text for alert in report.alerts] == [
        "100.0% [97.5%, 100.0%] of 150 requests failed inside the service, limit 1.0%"
    ]
    assert report.metrics()["answers"] == 0
    assert '100.00% <span class="bounds">[97.50%, 100.00%]</span>' in monitoring_html(report)


def test_a_shop_of_new_visitors_says_so_once_and_still_sees_customers_get_lost(
    lists_bundle: Bundle, lists_of: Callable[..., Lines], line_of: Line, write: Callable[..., Path]
) -> None:
    new = {"served": "popularity_fallback", "level": 4}
    lists = [line["items"] for line in lists_of(range(200))]
    lines = [line_of(lists_bundle, n) for n in range(200)]
    lines += [line_of(lists_bundle, 200 + n, user=f"{n:032x}", **new) for n in range(150)]
    lines += [line_of(lists_bundle, 350 + n, **new) for n in range(50)]
    summary = summarise_log(lists_bundle, write(lines), ALWAYS)
    (alert,) = AlertLimits().alerts(summary)
    # half of 400: Wilson's interval ends at 0.549, and 0.60 is the next twentieth and one more
    assert "50.0% [45.1%, 54.9%] of 400 answers use nothing about the customer" in alert.text
    assert "50 of these 200 requests named neither a customer nor an item" in alert.text
    assert "limits.fallback_rise=0.60" in alert.text
    assert alerts(summary, fallback_rise=0.6) == set()
    popular = [f"i{n:02}" for n in range(10)]
    shown = [{**x, "items": popular if x["level"] else lists[n]} for n, x in enumerate(lines)]
    wide = summarise_log(lists_bundle, write(shown), ALWAYS)
    assert alerts(wide, fallback_rise=0.6) == set()  # nor are popular items for new visitors
    assert wide.spread is not None
    assert wide.spread.shown_coverage < wide.spread.coverage - 0.1
    lost = [{**line, **new} if n % 2 else line for n, line in enumerate(lines)]
    assert alerts(summarise_log(lists_bundle, write(lost), ALWAYS), fallback_rise=0.6) == {
        "fallbacks"
    }


def test_a_customer_who_asks_again_and_again_is_one_customer(
    lists_bundle: Bundle,
    churn_bundle: Bundle,
    lists_of: Callable[..., Lines],
    churn_of: Callable[..., Lines],
    write: Callable[..., Path],
) -> None:
    days = np.random.default_rng(2).uniform(0, 90, 200).tolist()
    names = churn_bundle.known_users.tolist()
    lines = [
        {**x, "user": u, "served": "known"} for x, u in zip(churn_of(days), names, strict=False)
    ]
    lines += [lines[n % 5] for n in range(2000)]  # five of them all day long
    summary = summarise_log(churn_bundle, write(lines), ALWAYS)
    assert summary.own.n == 2200
    assert {drift.n_current for drift in summary.drifts} == {200}
    assert alerts(summary) == set()
    users = lists_bundle.known_users[:150].tolist()
    lists = [{**x, "user": u} for x, u in zip(lists_of(range(150)), users, strict=True)]
    summary = summarise_log(lists_bundle, write([*lists, *lists[:10] * 200]), ALWAYS)
    assert {drift.name: drift.n_current for drift in summary.drifts} == {
        "score": 150,
        "items listed": 150,
    }
    strangers = [{**x, "user": None} for x in lists]  # whom nobody can tell apart
    assert summarise_log(lists_bundle, write(strangers * 2), ALWAYS).drifts[0].n_current == 300


def test_clicks_of_what_was_seen_and_orders_of_what_was_clicked(
    lists_bundle: Bundle, line_of: Line, feedback: Line, write: Callable[..., Path]
) -> None:
    lines = [line_of(lists_bundle, n) for n in range(20)]
    lines += [feedback(n, "impression") for n in range(10)]
    lines += [feedback(n, "click") for n in (0, 1, 2, 15)]  # 15 was not reported as seen
    lines += [feedback(n, "order") for n in (2, 15, 17)]  # 17 was not clicked
    own = summarise_log(lists_bundle, write(lines), ALWAYS).own
    assert (own.rate("click"), own.rate_after("click")) == (Proportion(4, 20), Proportion(3, 10))
    assert (own.rate("order"), own.rate_after("order")) == (Proportion(3, 20), Proportion(2, 4))


def test_clicks_and_orders_are_counted_once_and_not_for_shadows(
    lists_bundle: Bundle, line_of: Line, feedback: Line, write: Callable[..., Path]
) -> None:
    lines = [line_of(lists_bundle, n) for n in range(20)]
    lines += [line_of(lists_bundle, n, variant="challenger", version="x") for n in range(20, 30)]
    lines += [line_of(lists_bundle, n, variant="shadow", version="y") for n in range(20)]
    lines += [feedback(n, "click") for n in (0, 0, 1, 2, 25, 99)]
    lines += [feedback(n, "order") for n in (2, 26)] + [feedback(0, "nonsense")]
    summary = summarise_log(lists_bundle, write(lines), ALWAYS)
    name = lists_bundle.manifest.model
    clicks = {who: tally.rate("click") for who, tally in summary.variants.items()}
    assert clicks == {
        ("champion", name, lists_bundle.manifest.version): Proportion(3, 20),
        ("challenger", name, "x"): Proportion(1, 10),
        ("shadow", name, "y"): Proportion(0, 20),
    }
    assert summary.own.rate("order") == Proportion(1, 20)
    assert summary.n_feedback_without_answer == 1  # of the request 99
    text = MonitoringReport.of(summary, AlertLimits()).as_text()
    # 1/10 - 3/20, Newcombe's bounds from (0.0179, 0.4042) and (0.0524, 0.3604)
    assert "-5.00% [-27.59%, +26.94%]" in text


def test_answers_to_other_questions_in_the_same_log_are_left_alone(
    lists_bundle: Bundle,
    churn_bundle: Bundle,
    line_of: Line,
    feedback: Line,
    write: Callable[..., Path],
) -> None:
    lines = [line_of(lists_bundle, n) for n in range(3)]
    others = [line_of(churn_bundle, 3), feedback(3, "click")]
    summary = summarise_log(lists_bundle, write([*lines, *others]), ALWAYS)
    assert [tally.n for tally in summary.variants.values()] == [3]
    assert summary.reading.n_lines == 5
    assert summary.n_feedback_without_answer == 0  # it has one, of the other model
    assert "What became of the answers" not in MonitoringReport.of(summary, AlertLimits()).as_text()


def test_only_answers_of_the_period_count_and_feedback_may_come_later(
    lists_bundle: Bundle, line_of: Line, feedback: Line, write: Callable[..., Path]
) -> None:
    lines = [line_of(lists_bundle, n) for n in range(60)]  # 00:00 ... 00:59 on 2024-03-02
    path = write([*lines, feedback(20, "click"), feedback(5, "click")])
    summary = summarise_log(
        lists_bundle, path, LogPeriod.of("2024-03-02T00:10", "2024-03-02T01:30+01:00")
    )
    assert (summary.own.n, summary.reading.n_outside) == (20, 40)
    assert summary.own.rate("click") == Proportion(1, 20)
    assert str(summary.reading.first) == "2024-03-02 00:10:00+00:00"


def test_broken_lines_are_counted_and_do_no_harm(
    lists_bundle: Bundle, line_of: Line, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_log, "LONGEST", 5_000)
    good = line_of(lists_bundle, 0)
    odd = {"scores": "x", "items": 3, "status": None, "latency_ms": "fast", "level": True}
    path = write(
        [
            "{", "[]", "3", "", "null", '{"time": "2024-03-02"}', "[" * 3000, "x" * 6000,
            {**good, "time": 3}, {**good, "variant": "emperor"}, {**good, "version": None},
            {**good, "request_id": "\ud800"}, {**good, "time": "0001-01-01T00:00:00+05:00"},
            {**good, "latency_ms": 10**400}, {**good, "kind": "feedback", "event": ["click"]},
            good, {**good, **odd}, {**good, "n_unknown_items": -5, "latency_ms": -1},
        ]
    )  # fmt: skip
    summary = summarise_log(lists_bundle, path, ALWAYS)
    assert summary.own.n == 3
    assert summary.reading.n_broken == 15  # the long line is read in two pieces, the empty one not
    assert summary.reading.n_lines == 18
    text = MonitoringReport.of(summary, AlertLimits()).as_text()
    assert "15 lines were no lines of a request log" in text
    assert "fewer than 100 answers are too few for an alert" in text


def test_older_parts_of_the_log_are_read_too(
    lists_bundle: Bundle, line_of: Line, write: Callable[..., Path]
) -> None:
    path = write([line_of(lists_bundle, 2)])
    path.rename(path.with_name("requests.jsonl.1"))
    path = write([line_of(lists_bundle, 3)])
    path.with_name("requests.jsonl.bak").write_text("not of it")
    assert summarise_log(lists_bundle, path, ALWAYS).own.n == 2


def test_a_log_of_another_version_is_refused_with_what_it_holds(
    lists_bundle: Bundle, churn_bundle: Bundle, line_of: Line, write: Callable[..., Path]
) -> None:
    path = write([line_of(churn_bundle, n) for n in range(3)])
    version = churn_bundle.manifest.version
    found = rf"but 3 of recency_rule {version} \(churn\): give the bundle"
    with pytest.raises(DataError, match=found):
        summarise_log(lists_bundle, path, ALWAYS)
    lines = [line_of(lists_bundle, n) for n in range(9)] + [line_of(churn_bundle, 9, version="x")]
    with pytest.raises(DataError, match=r"but 1 of recency_rule x \(churn\), 9 of item_knn"):
        summarise_log(churn_bundle, write(lines), ALWAYS)


def test_no_log_an_empty_one_and_none_of_the_period_are_one_line(
    lists_bundle: Bundle, line_of: Line, feedback: Line, write: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="no such file; the service writes it with serve log=FILE"):
        summarise_log(lists_bundle, tmp_path / "none.jsonl", ALWAYS)
    with pytest.raises(DataError, match="is empty: the service has not answered yet"):
        summarise_log(lists_bundle, write([]), ALWAYS)
    with pytest.raises(DataError, match="none of its 2 lines is of a request log"):
        summarise_log(lists_bundle, write(["a", "b"]), ALWAYS)
    with pytest.raises(DataError, match="it holds feedback only"):
        summarise_log(lists_bundle, write([feedback(1, "click")]), ALWAYS)
    with pytest.raises(DataError, match="1 lie outside since and until"):
        summarise_log(
            lists_bundle, write([line_of(lists_bundle, 0)]), LogPeriod.of("2025-01-01", None)
        )


def test_periods_and_limits_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match="since=yesterday is no time"):
        LogPeriod.of("yesterday", None)
    with pytest.raises(ConfigError, match="nothing lies between"):
        LogPeriod.of("2025-02-01", "2025-02-01")
    with pytest.raises(ConfigError, match=r"limits.errors must be above 0, got 0"):
        AlertLimits(errors=0)
    with pytest.raises(ConfigError, match=r"limits.errors must be a number, got 'few'"):
        AlertLimits.of({"errors": "few"})
    with pytest.raises(ConfigError, match=r"limits.error is no limit: did you mean errors"):
        AlertLimits.of({"error": 0.1})
    with pytest.raises(ConfigError, match=r"until=0001-01-01T00:00\+05:00 is no time"):
        LogPeriod.of(None, "0001-01-01T00:00+05:00")
    with pytest.raises(ConfigError, match=r"limits.fallback_rise must be a share, at most 1"):
        AlertLimits(fallback_rise=1.5)
    assert AlertLimits(p99_ms=2, psi_far=2).p99_ms == 2
    with pytest.raises(ConfigError, match=r"limits.psi_moved=0.5 is above limits.psi_far=0.25"):
        AlertLimits(psi_moved=0.5)


def test_a_bundle_without_a_reference_is_watched_as_far_as_possible(
    lists_bundle: Bundle, line_of: Line, write: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tmp_path / "old"
    shutil.copytree(lists_bundle.folder, folder)
    (folder / REFERENCE).unlink()
    replace(Manifest.read(folder), files=checksums_of(folder)).write(folder)
    old = Bundle.load(folder)
    summary = summarise_log(old, write([line_of(old, n) for n in range(200)]), ALWAYS)
    assert summary.drifts == []
    report = MonitoringReport.of(summary, AlertLimits())
    assert "the bundle has no reference: export it again" in report.as_text()
    assert "Drift against" not in monitoring_html(report)


def test_nothing_that_grows_with_the_log_is_kept(
    lists_bundle: Bundle,
    lists_of: Callable[..., Lines],
    write: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(request_log, "BLOCK", 200)
    lines, peaks = lists_of(range(400)), []
    for times in (2, 20):
        path = write(lines * times)
        tracemalloc.start()
        summarise_log(lists_bundle, path, ALWAYS)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]
