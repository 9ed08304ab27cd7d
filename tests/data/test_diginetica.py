"""Diginetica: sessions as users, the published split, and validation on the newest sessions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.diginetica import Diginetica
from growthlab.split.given import Given


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve sessions of two views; the last two are test."""
    sessions = [s for s in range(12) for _ in range(2)]
    frame = pd.DataFrame({"session_id": sessions, "item_id": [s % 5 for s in range(24)]})
    frame["position"] = frame.groupby("session_id").cumcount()
    frame["split"] = frame["session_id"].map(lambda s: "test" if s > 9 else "train")
    frame.sample(frac=1, random_state=1).to_parquet(tmp_path / "sessions.parquet")
    return tmp_path


def sessions_of(source: Diginetica, part: str) -> list[str]:
    events = source.read().to_pandas()
    return sorted(set(events["user_id"][events["split"] == part]), key=int)


def test_a_session_is_a_user_and_its_events_are_views(folder: Path) -> None:
    log = Diginetica(path=str(folder)).read()
    assert (log.n_users, log.n_events, log.ordered_by) == (12, 24, "position")
    assert set(log.to_pandas()["event_type"]) == {"view"}


def test_the_newest_sessions_of_train_are_valid_by_number_not_by_text(folder: Path) -> None:
    source = Diginetica(path=str(folder), valid_share=0.2)  # 2 of the 10 of train
    assert sessions_of(source, "train") == ["0", "1", "2", "3", "4", "5", "6", "7"]
    assert sessions_of(source, "valid") == ["8", "9"]
    assert sessions_of(source, "test") == ["10", "11"]


def test_the_given_split_has_an_inner_fold_of_whole_sessions_before_the_test(folder: Path) -> None:
    (fold,) = Given().folds(Diginetica(path=str(folder), valid_share=0.2).read())
    assert fold.past.n_users == 10
    inner = fold.for_choosing()
    assert (inner.past.n_users, inner.future.n_users) == (8, 2)
    shared = set(inner.past.to_pandas()["user_id"]) & set(inner.future.to_pandas()["user_id"])
    assert not shared


def test_without_a_valid_share_nothing_can_be_chosen(folder: Path) -> None:
    (fold,) = Given(valid="none").folds(Diginetica(path=str(folder), valid_share=0).read())
    with pytest.raises(DataError, match="no validation window"):
        fold.for_choosing()


def test_a_share_outside_its_range_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"data.valid_share must be in \[0, 1\), got 1"):
        Diginetica(valid_share=1)


def test_session_ids_must_be_numbers(tmp_path: Path) -> None:
    frame = {"session_id": ["a"], "item_id": [1], "position": [0], "split": ["train"]}
    pd.DataFrame(frame).to_parquet(tmp_path / "sessions.parquet")
    with pytest.raises(DataError, match="session_id 'a' is not a number"):
        Diginetica(path=str(tmp_path)).read()


def test_without_a_path_the_option_is_named() -> None:
    with pytest.raises(DataError, match=r"data=diginetica needs data.path=.*sessions.parquet"):
        Diginetica().input_files()


@pytest.mark.data
def test_the_real_sessions_have_their_published_counts(real_data: Callable[[str], Path]) -> None:
    log = Diginetica(path=str(real_data("diginetica_sessions"))).read()
    assert (log.n_events, log.n_users, log.n_items) == (982_961, 202_633, 43_097)
    parts = log.query(
        "SELECT split, count(*) - count(DISTINCT user_id) AS prefixes, "
        "count(DISTINCT user_id) AS sessions FROM events GROUP BY split ORDER BY split"
    )
    assert parts["prefixes"][parts["split"] == "test"].tolist() == [60_858]
    assert parts["prefixes"][parts["split"] != "test"].sum() == 719_470
    assert parts["sessions"].tolist() == [15_963, 186_670 - 14_934, 14_934]  # 8 % of 186,670
