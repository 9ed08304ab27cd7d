"""Challenger against champion from a request log."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from growthlab.cli.main import main
from growthlab.core.errors import ConfigError, DataError
from growthlab.effects.served_experiment import RequestLogInput

START = datetime(2025, 3, 1, tzinfo=UTC)
Lines = list[dict[str, Any]]


def answer(place: int, user: str | None, variant: str, **fields: Any) -> dict[str, Any]:
    return {
        "time": (START + timedelta(minutes=place)).isoformat(timespec="milliseconds"),
        "kind": "recommend",
        "request_id": f"{place:032x}",
        "model": "als",
        "version": "1",
        "task": "top_n",
        "variant": variant,
        "assigned": variant,
        "user": user,
        "status": 200,
        **fields,
    }


def feedback(place: int, event: str) -> dict[str, Any]:
    time = (START + timedelta(minutes=place + 1)).isoformat(timespec="milliseconds")
    return {"time": time, "kind": "feedback", "request_id": f"{place:032x}", "event": event}


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Lines], Path]:
    monkeypatch.chdir(tmp_path)

    def written(lines: Lines) -> Path:
        path = tmp_path / "requests.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path

    return written


@pytest.fixture(scope="module")
def lines() -> Lines:
    """600 customers with three requests each; the challenger's are clicked twice as often."""
    rng = np.random.default_rng(0)
    found: Lines = []
    for place in range(1800):
        variant = "challenger" if place % 600 % 2 else "champion"
        found.append(answer(place, f"c{place % 600}", variant))
        if rng.random() < (0.4 if variant == "challenger" else 0.2):
            found.append(feedback(place, "click"))
    return found


def test_the_log_says_what_the_challenger_changed(
    lines: Lines, write: Callable[[Lines], Path], tmp_path: Path
) -> None:
    write(lines)
    words = ["log=requests.jsonl", "name=online", "outcomes=[click/request,any click]"]
    assert main(["ab", *words]) == 0
    content = json.loads((tmp_path / "reports/online/ab.json").read_text())
    assert content["control"] == "champion"
    assert content["customers"] == {"champion": 300, "challenger": 300}
    primary = content["arms"]["challenger"]["primary"]
    assert primary["relative_low"] < 1 < primary["relative_high"]
    assert primary["low"] > 0.1


def test_a_customer_belongs_to_the_arm_that_was_assigned(
    lines: Lines, write: Callable[[Lines], Path]
) -> None:
    stood_in = {"variant": "champion", "assigned": "challenger"}
    more = [answer(2000, "c1", **stood_in), answer(2001, None, "champion")]
    shadow = answer(2002, "c1", "shadow")
    served = RequestLogInput(log=str(write([*lines, *more, shadow]))).read()
    assert len(served.exposures) == 600
    assert (served.outcomes["user_id"] == "c1").sum() == 4
    assert "1 answers to unknown customers are left out" in served.facts


def test_a_share_that_changed_in_between_is_refused(
    lines: Lines,
    write: Callable[[Lines], Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    write([*lines, answer(2000, "c0", "challenger")])
    words = ["ab", "log=requests.jsonl", "outcomes=[click]"]
    assert main(words) == 2
    assert "1 customers are in two arms" in capsys.readouterr().err
    assert main([*words, "log_until=2025-03-02T06:00"]) == 0


def test_a_log_without_a_challenger_and_one_with_two_are_refused(
    lines: Lines, write: Callable[[Lines], Path]
) -> None:
    two = answer(2000, "c0", "challenger", task="churn")
    path = write([*lines, two])
    with pytest.raises(ConfigError, match="choose one with log_task, of churn, top_n"):
        RequestLogInput(log=str(path)).read()
    assert len(RequestLogInput(log=str(path), task="churn").read().exposures) == 1
    with pytest.raises(ConfigError, match="log_task=value has no challenger"):
        RequestLogInput(log=str(path), task="value").read()
    path = write([line for line in lines if line.get("variant") != "challenger"])
    with pytest.raises(DataError, match="has no answer by a challenger"):
        RequestLogInput(log=str(path)).read()


def test_the_log_and_a_table_are_one_too_many(
    lines: Lines, write: Callable[[Lines], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    write(lines)
    words = ["ab", "log=requests.jsonl", "exposures.path=a.csv", "outcomes=[click]"]
    assert main(words) == 2
    assert "leave exposures.path out" in capsys.readouterr().err
