"""Runs the rows of plan.yaml that are not done yet, into results.csv.

    python experiments/02-published-numbers/run.py PATH-OF-THE-DATA [section ...] [model ...]

PATH-OF-THE-DATA holds a folder a data set (``movielens_1m``, ``amazon_2014_beauty``, ...). A row of a
section with a command is a run of the command line, and an interrupted one goes on after its last
epoch; a row without is done by sampled.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from plan import STUDY, is_current, note, protocol_of, sections, words_of

sys.path.append(str(STUDY.parent))

import sampled
from study import collect, growthlab

RESULTS = STUDY / "results.csv"


def keep(fresh: pd.DataFrame) -> None:
    """Put rows in the place of earlier ones of the same run."""
    same = ["data", "protocol", "split", "model", "seed", "metric"]
    known = [pd.read_csv(RESULTS)] if RESULTS.exists() else []
    table = pd.concat([fresh, *known]).drop_duplicates(same).sort_values(same)
    table.to_csv(RESULTS, index=False)


def main() -> None:
    """Run what was named and is not there; each row is written when it is done."""
    data, *named = sys.argv[1:]
    plan = sections()
    models = set(named) - set(plan)
    known = {row["model"] for part in plan.values() for row in part["rows"]}
    if models - known:
        sys.exit(f"{', '.join(models - known)}: possible: {', '.join([*plan, *sorted(known)])}")
    for section, part in plan.items():
        if set(named) - models and section not in named:
            continue
        for row in part["rows"]:
            protocol = protocol_of(section, part, row)
            if (models and row["model"] not in models) or is_current(protocol, row):
                continue
            if "command" in part:
                growthlab(STUDY, words_of(section, part, row), data)
                fresh = collect(STUDY, part.get("strata", ()))
                fresh = fresh[(fresh["protocol"] == protocol) & (fresh["model"] == row["model"])]
            else:
                fresh = sampled.rows_of(row, Path(data).resolve())
            keep(fresh)
            note(protocol, row)


if __name__ == "__main__":
    main()
