"""The identity map."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from growthlab.core.errors import DataError
from growthlab.data.identity import IdentityMap
from growthlab.data.tabular_file import TabularFile


def table(*rows: tuple[object, object, object]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["source", "source_id", "user_id"])


def test_ids_of_the_map_are_joined_and_others_stay_separate(tmp_path: Path) -> None:
    (tmp_path / "map.csv").write_text(
        "source,source_id,user_id\nweb,1,ann\nstore,9,ann\nstore,1,bob\n"
    )
    rows = ["1,web", "9,store", "1,store", "5,web", "5.0,web", ",web"]
    text = "".join(f"{row},{n}\n" for n, row in enumerate(rows))
    (tmp_path / "events.csv").write_text(f"user_id,source,position\n{text}")
    paths = {"path": str(tmp_path / "events.csv"), "identity_path": str(tmp_path / "map.csv")}
    log = TabularFile(event_type="view", **paths).read()
    joined = log.query("SELECT coalesce(user_id, '?') AS user_id FROM events ORDER BY position")
    assert list(joined["user_id"]) == ["ann", "ann", "bob", "web:5", "web:5", "?"]
    assert log.cleaning[-1]["why"].startswith("1 ids are not in the identity map")


def test_a_map_may_repeat_a_row_but_not_contradict_it() -> None:
    assert len(IdentityMap(table(("web", 1, "ann"), ("web", "1", "ann"))).table) == 1
    with pytest.raises(DataError, match="gives '1' of web to two users: keep one"):
        IdentityMap(table(("web", 1, "ann"), ("web", 1, "bob")))
    with pytest.raises(DataError, match="row 2 of the identity map has an empty cell"):
        IdentityMap(table(("web", 1, "ann"), ("web", 2, None)))


def test_a_map_needs_its_three_columns(tmp_path: Path) -> None:
    (tmp_path / "map.csv").write_text("source,id,user_id\nweb,1,ann\n")
    (tmp_path / "events.csv").write_text("user_id,item_id\n1,a\n")
    paths = {"path": str(tmp_path / "events.csv"), "identity_path": str(tmp_path / "map.csv")}
    with pytest.raises(DataError, match=r"map.csv has no column 'source_id'"):
        TabularFile(event_type="view", **paths).read()
    with pytest.raises(DataError, match="user_id is missing"):
        IdentityMap(table(("web", 1, "ann")).drop(columns="user_id"))
