"""The inputs of shared/cases, typed as there: read as they are meant, or refused in one line."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pandas as pd
import pytest

from growthlab.data.tabular_file import TabularFile

from .conftest import Workspace

CASES = Path(__file__).parents[3] / "shared" / "cases"

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not CASES.is_dir(), reason="shared/cases is not beside the project"),
]

# folder -> what each of its commands says: what was read, or what is wrong in which file and row
PREPARED = {
    "01-trailing-separator": (
        "tabular_file: 2 events, 2 users, 2 items",
        "orders2.csv: row 1: 4 fields in '2024-01-01,u1,a,x' where the header has 3",
    ),
    "03-huge-float-ids": ("orders.parquet: row 1: user_id 1e+19 has lost digits",),
    "04-huge-positions": (
        "tabular_file: 3 events, 1 users, 3 items, 1714521600123456788 to 1714521600123456790",
        "half.csv: row 1: position '1.5' is not a whole number",
    ),
    "05-naive-and-aware-times": ("2 users, 1 items, 2024-01-01 01:00:00 to 2024-01-01 10:00:00",),
    "06-compressed-files": (
        "tabular_file: 2 events, 2 users, 1 items",
        "cut.csv.gz cannot be read: it is cut off or damaged",
        "bad.csv.xz cannot be read: by its name it is a xz file",
        "bad.csv.zst cannot be read: by its name it is a zstd file",
    ),
    "07-not-a-csv": ("tabular_file: 1 events, 1 users, 1 items",) * 3,
    "08-folder-with-signs": ("tabular_file: 2 events, 2 users, 1 items",),
    "10-interpolations": ("data.label=${nope}", "data.label=${oc.env:NOPE}"),
    "11-numbers-as-words": (
        "tabular_file: 2 events, 1 users, 0 items, 1 to 2",
        "say what it means: data.event_types={1: view}",
        "events.csv has no column '2024' (for item_id): possible: ",
    ),
    "12-money-and-missing": (
        "tabular_file: 1 events, 1 users, 1 items",
        "b.csv: row 1: unit_price 'oops' is not a finite number",
        "undated.csv: row 2: unit_price 'oops' is not a finite number",
        "tabular_file: 1 events, 1 users, 1 items",  # \N, None and <NA> are nobody
    ),
    "14-items-table": ("tabular_file: 2 events, 2 users, 2 items",) * 3,
}
ASKED = "15-batch-input"  # by `recommend`


def commands(folder: Path) -> list[list[str]]:
    """The words after ``growthlab`` of each command that was typed in a folder."""
    typed = (folder / "cmd.txt").read_text().partition("#")[0]
    *_, typed = typed.split(" && ")  # what makes the folder of 08 comes before
    return [shlex.split(command)[1:] for command in typed.split(" ; ")]


def test_every_folder_is_tried() -> None:
    assert {path.name for path in CASES.iterdir() if path.is_dir()} == {*PREPARED, ASKED}


@pytest.mark.parametrize("name", PREPARED)
def test_a_file_is_read_as_it_is_meant_or_refused_in_one_line(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "shop (2024) ä,订=#"
    shutil.copytree(CASES / name, folder)
    (folder / "conf" / "local").mkdir(parents=True)
    case = Workspace(folder)
    for words, expected in zip(commands(folder), PREPARED[name], strict=True):
        done = case.growthlab(*words)
        assert expected in (done.out if done.status == 0 else done.mistake)


@pytest.mark.parametrize("name", ["ids.csv", "comma.csv"])
def test_an_items_table_joins_however_its_ids_are_written(name: str, tmp_path: Path) -> None:
    shutil.copytree(CASES / "14-items-table", tmp_path, dirs_exist_ok=True)
    path, items_path = str(tmp_path / "orders.csv"), str(tmp_path / name)
    items = TabularFile(path=path, event_type="purchase", items_path=items_path).read().items
    assert items is not None
    assert dict(zip(items["item_id"], items["category"], strict=True)) == {"10": "x", "20": "y"}


def test_customers_of_a_batch_are_known_however_their_ids_are_written(tmp_path: Path) -> None:
    shutil.copytree(CASES / ASKED, tmp_path, dirs_exist_ok=True)
    case = Workspace(tmp_path)
    days = pd.date_range("2024-01-01", periods=60).strftime("%Y-%m-%d")
    rows = [(user, f"i{(user + day) % 7}", days[day]) for user in range(30) for day in range(60)]
    columns = ["user_id", "item_id", "timestamp"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "orders.csv", index=False)
    words = ["data=tabular_file", "data.path=orders.csv", "data.event_type=purchase"]
    compared = case.growthlab("compare", "models=[popularity]", "split.horizon_days=7", *words)
    assert compared.status == 0, compared.err
    exported = case.growthlab("export", *words)
    assert exported.status == 0, exported.err
    (bundle,) = (tmp_path / "bundles").iterdir()
    for asked in commands(tmp_path):
        done = case.growthlab(*(w.replace("BUNDLE", str(bundle)) for w in asked))
        assert done.status == 0, done.err
        assert pd.read_csv(tmp_path / "o.csv")["served"].tolist() == ["known", "known"]
