"""Bundles on files: each row is answered as a request would be."""

from __future__ import annotations

import csv
import gzip
import resource
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from growthlab.bundle import batch
from growthlab.bundle.answers import RecommendRequest
from growthlab.bundle.batch import recommend_file, score_file
from growthlab.bundle.bundle import Bundle
from growthlab.core.csv_text import raw_text
from growthlab.core.errors import BundleError, ConfigError, DataError

ANNA = "anna.schmidt@example.org"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_each_row_of_a_file_gets_its_list(
    folder: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "BLOCK_ROWS", 2)  # three rows: two blocks
    source, target = tmp_path / f"in.{kind}", tmp_path / "new" / f"out.{kind}"
    asked = pd.DataFrame(
        {"user_id": [ANNA, None, "stranger"], "history": [None, "tea lemon", None]}
    )
    if kind == "csv":
        asked.to_csv(source, index=False)
    else:
        asked["history"] = pd.Series([None, ["tea", "lemon"], None], dtype=object)
        asked.to_parquet(source)
    assert recommend_file(folder, source, target, k=2) == 6
    table = pd.read_csv(target) if kind == "csv" else pd.read_parquet(target)
    assert table["row"].tolist() == [0, 0, 1, 1, 2, 2]
    assert table["rank"].tolist() == [1, 2] * 3
    assert table["served"].tolist()[::2] == ["known", "folded_in", "popularity_fallback"]
    requests = [
        RecommendRequest(ANNA),
        RecommendRequest(history=["tea", "lemon"]),
        RecommendRequest("stranger"),
    ]
    answers = Bundle.load(folder).recommend(requests, 2)
    assert table["item_id"].tolist() == [i.item for a in answers for i in a.items]
    scores = [i.score for a in answers for i in a.items]
    np.testing.assert_allclose(table["score"], scores, rtol=1e-6)
    assert [p.name for p in target.parent.iterdir()] == [target.name]


def test_seen_items_are_listed_where_filter_seen_says_so(folder: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    pd.DataFrame({"user_id": [ANNA]}).to_csv(source, index=False)
    had = {"tea", "lemon"}
    assert Bundle.load(folder).manifest.filter_seen == "none"
    for policy, listed in ((None, had), ("purchased", set()), ("none", had)):
        recommend_file(folder, source, target, k=10, filter_seen=policy)
        assert set(pd.read_csv(target)["item_id"]) & had == listed
        target.unlink()
    with pytest.raises(BundleError, match="filter_seen=bought"):
        recommend_file(folder, source, target, filter_seen="bought")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_each_row_of_a_file_gets_its_prediction(
    churn_folder: Path, tmp_path: Path, kind: str
) -> None:
    source, target = tmp_path / f"in.{kind}", tmp_path / f"out.{kind}"
    asked = pd.DataFrame(
        {"user_id": ["0042", None, "stranger"], "days_since_last": [np.nan, 100.0, np.nan]}
    )
    asked.to_csv(source, index=False) if kind == "csv" else asked.to_parquet(source)
    assert score_file(churn_folder, source, target) == 3
    table = (
        pd.read_csv(target, dtype={"user_id": str}) if kind == "csv" else pd.read_parquet(target)
    )
    assert table.columns.tolist() == ["row", "user_id", "churn_probability", "served"]
    assert table["served"].tolist() == ["known", "features", "population_fallback"]
    np.testing.assert_allclose(table["churn_probability"], [0.18, 0.9, 0.5])


def test_whole_numbers_next_to_missing_ones_are_ids(churn_folder: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "in.parquet", tmp_path / "out.csv"
    pd.DataFrame({"user_id": [77.0, np.nan]}).to_parquet(source)
    score_file(churn_folder, source, target)
    served = pd.read_csv(target)["served"].tolist()
    assert served == ["known", "population_fallback"]


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("in.csv", "user,days\na,1\n", DataError, "none of the columns user_id.*did you mean user"),
        ("in.csv", "days_since_last\n1\nlong\n", DataError, "row 2: days_since_last is a number"),
        ("in.csv", "", DataError, "cannot be read: No columns"),
        ("in.csv", "user_id\n", DataError, r"in\.csv has no rows"),
        ("in.parquet", "no parquet", DataError, "cannot be read"),
        ("in.xlsx", "", ConfigError, r"neither \.csv nor \.parquet"),
        ("gone.csv", None, DataError, "there is no file"),
    ],
)
def test_unusable_files_are_one_clear_line(
    churn_folder: Path,
    tmp_path: Path,
    name: str,
    content: str | None,
    error: type[Exception],
    message: str,
) -> None:
    source, target = tmp_path / name, tmp_path / "out.csv"
    if content is not None:
        source.write_text(content)
    with pytest.raises(error, match=message) as caught:
        score_file(churn_folder, source, target)
    assert "\n" not in str(caught.value)
    assert not target.exists()


def test_a_history_that_is_no_list_names_its_row(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text('history\ntea\n"[""tea"""\n')
    with pytest.raises(DataError, match=r"row 2: the history .* is no JSON list"):
        recommend_file(folder, source, tmp_path / "out.csv")


def test_a_bundle_of_another_task_is_refused(
    folder: Path, churn_folder: Path, tmp_path: Path
) -> None:
    source = tmp_path / "in.csv"
    source.write_text("user_id\na\n")
    with pytest.raises(
        BundleError, match="answers top_n with lists of items, not a number for each customer"
    ):
        score_file(folder, source, tmp_path / "out.csv")
    with pytest.raises(BundleError, match="answers churn with a probability, not lists of items"):
        recommend_file(churn_folder, source, tmp_path / "out.csv")


def test_a_history_that_is_no_list_a_bad_k_and_a_target_out_of_reach_are_one_line(
    folder: Path, tmp_path: Path
) -> None:
    source, target = tmp_path / "in.parquet", tmp_path / "out.csv"
    pd.DataFrame({"history": [5, 6]}).to_parquet(source)
    with pytest.raises(DataError, match="row 1: the history 5 is neither a list nor a text"):
        recommend_file(folder, source, target)
    with pytest.raises(ConfigError, match="k must be a whole number of at least 1, got many"):
        recommend_file(folder, source, target, k="many")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"out\.csv cannot be written"):
        recommend_file(folder, source, source / "out.csv")  # a file, not a folder
    assert not target.exists()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_answers_for_which_the_disk_is_too_small_are_one_line_and_not_there(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    source, target = tmp_path / "in.csv", tmp_path / f"out.{kind}"
    source.write_text("user_id\n" + "".join(f"user-{i}\n" for i in range(2000)))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(ConfigError, match=r"cannot be written: .*File too large") as caught:
            recommend_file(folder, source, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.glob("*out*")) == []


def test_the_input_is_not_overwritten(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "customers.csv"
    pd.DataFrame({"user_id": [ANNA]}).to_csv(source, index=False)
    with pytest.raises(ConfigError, match=r"customers.csv is the input: give another file"):
        recommend_file(folder, source, tmp_path / "." / "customers.csv")
    assert pd.read_csv(source)["user_id"].tolist() == [ANNA]


HOSTILE_IDS = [
    "=cmd()",
    "+1+1",
    "-1+2",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    "＝1",
    "'=1",
    "-5",
    "tea",
]


def test_no_cell_of_a_csv_output_is_a_formula_and_its_ids_come_back(
    folder: Path, tmp_path: Path
) -> None:
    source, target, again = (tmp_path / name for name in ("in.parquet", "out.csv", "again.parquet"))
    pd.DataFrame({"user_id": HOSTILE_IDS}).to_parquet(source)
    recommend_file(folder, source, target, k=1)
    with target.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    cells = [row["user_id"] for row in rows]
    assert cells == [u if u in ("-5", "tea") else f"'{u}" for u in HOSTILE_IDS]
    assert [raw_text(cell) for cell in cells] == HOSTILE_IDS
    recommend_file(folder, target, again, k=1)  # our own output as input
    assert pd.read_parquet(again)["user_id"].tolist() == HOSTILE_IDS


def test_a_raw_csv_names_the_same_customers_and_items_as_a_marked_one(
    folder: Path, tmp_path: Path
) -> None:
    for name, text in (("raw", "=tea"), ("marked", "'=tea")):
        (tmp_path / f"{name}.csv").write_text(f"user_id,item\n{text},tea\n")
        recommend_file(folder, tmp_path / f"{name}.csv", tmp_path / f"{name}.parquet", k=1)
    tables = [pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("raw", "marked")]
    pd.testing.assert_frame_equal(*tables)
    assert set(tables[0]["user_id"]) == {"=tea"}


@pytest.mark.parametrize(
    "text",
    [
        "user_id\n77,\n",
        "user_id,note\n77.0,x\n",
        "user_id;note\n 77 ;x\n",
        "user_id\tnote\n\uff17\uff17\tx\n",
        "# asked by us\nuser_id\n77\n",
    ],
)
@pytest.mark.parametrize("codec", ["utf-8", "utf-16"])
def test_a_customer_is_known_however_the_file_spells_the_id(
    text: str, codec: str, churn_folder: Path, tmp_path: Path
) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(text.encode(codec))
    score_file(churn_folder, source, target)
    assert pd.read_csv(target)["served"].tolist() == ["known"]


def test_a_packed_file_is_read_and_a_row_of_another_length_refused(
    churn_folder: Path, tmp_path: Path
) -> None:
    source, target = tmp_path / "in.csv.gz", tmp_path / "out.csv"
    source.write_bytes(gzip.compress(b"user_id,note\n77,x\n"))
    assert score_file(churn_folder, source, target) == 1
    for rows in ("77,x\n77,x,y\n", "77,x\n77\n"):
        source.write_bytes(gzip.compress(f"user_id,note\n{rows}".encode()))
        with pytest.raises(DataError, match=r"row 2 has . cells, and the header 2"):
            score_file(churn_folder, source, target)


@pytest.mark.parametrize(
    "ids", ["tea lemon", "tea|lemon", "tea; lemon", "tea,lemon ", '["tea", "lemon"]']
)
def test_a_history_may_be_joined_by_any_of_the_usual_signs(
    ids: str, folder: Path, tmp_path: Path
) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    pd.DataFrame({"history": [ids]}).to_csv(source, index=False)
    recommend_file(folder, source, target, k=2)
    answer = Bundle.load(folder).recommend([RecommendRequest(history=["tea", "lemon"])], 2)[0]
    table = pd.read_csv(target)
    assert table["item_id"].tolist() == [item.item for item in answer.items]
    assert table["served"].tolist() == ["folded_in"] * 2


def test_a_quote_that_is_not_closed_is_refused(churn_folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text('note,user_id\nx,"77\ny,78\n')
    with pytest.raises(DataError, match="is not closed"):
        score_file(churn_folder, source, tmp_path / "out.csv")


def test_an_id_that_has_lost_digits_is_refused_with_its_row(
    churn_folder: Path, tmp_path: Path
) -> None:
    source = tmp_path / "in.csv"
    source.write_text("user_id\n77\n1.2345678901234568e+18\n")
    with pytest.raises(DataError, match=r"row 2: user_id 1.2345678901234568e\+18 has lost digits"):
        score_file(churn_folder, source, tmp_path / "out.csv")
