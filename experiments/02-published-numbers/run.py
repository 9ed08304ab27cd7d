"""Runs the rows of plan.yaml that are not done yet, into results.csv.

    python experiments/02-published-numbers/run.py PATH-OF-THE-DATA [section ...] [model ...]

PATH-OF-THE-DATA holds a folder a data set (``movielens_1m``, ``amazon_2014_beauty``, ...). A row of a
section with a command is a run of the command line, and an interrupted one goes on after its last
epoch; a row without is done by sampled.py.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

STUDY = Path(__file__).resolve().parent
sys.path.append(str(STUDY.parent))

import sampled  # noqa: E402
from study import collect, growthlab  # noqa: E402

RESULTS = STUDY / "results.csv"


def protocol_of(section: str, row: dict[str, Any]) -> str:
    """What a row is called in results.csv: the section, and the row's own name where it has one."""
    return f"{section}, {row['name']}" if "name" in row else section


def words_of(command: str, section: str, row: dict[str, Any]) -> list[str]:
    """The words of a row's run after ``growthlab``."""
    own = [f"model=recommend/{row['model']}", *row.get("settings", "").split()]
    return [*command.split(), *own, f"+tags.protocol='{protocol_of(section, row)}'"]


def keep(fresh: pd.DataFrame) -> None:
    """Put rows in the place of earlier ones of the same run."""
    same = ["data", "protocol", "split", "model", "seed", "metric"]
    known = [pd.read_csv(RESULTS)] if RESULTS.exists() else []
    table = pd.concat([fresh, *known]).drop_duplicates(same).sort_values(same)
    table.to_csv(RESULTS, index=False)


def main() -> None:
    """Run what was named and is not there; each row is written when it is done."""
    data, *named = sys.argv[1:]
    for section, part in yaml.safe_load((STUDY / "plan.yaml").read_text()).items():
        if named and section not in named and not set(named) & {r["model"] for r in part["rows"]}:
            continue
        for row in part["rows"]:
            if set(named) - {section} and row["model"] not in named:
                continue
            if "command" in part:
                done = collect(STUDY)
                of_row = done["protocol"] == protocol_of(section, row)
                if not (of_row & (done["model"] == row["model"])).any():
                    growthlab(STUDY, words_of(part["command"], section, row), data)
                keep(collect(STUDY))
            else:
                keep(sampled.rows_of(row, Path(data).resolve()))


if __name__ == "__main__":
    main()
