"""Runs the rows of plan.yaml, each a model at given settings, into results.csv.

    python experiments/02-published-numbers/run.py FOLDER                       # every row
    python experiments/02-published-numbers/run.py FOLDER --only beauty/ease    # one row

FOLDER holds a folder for each data set (``movielens_1m``, ``amazon_2014_beauty``, ...). An interrupted fit
of a network goes on after its last epoch. ran.yaml keeps the settings with which each row of results.csv ran.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import yaml

sys.path.append(str(Path(__file__).resolve().parents[1]))

import sampled
from study import Step, Study


class PublishedNumbers(Study):
    """A part without a command has the protocol of sampled.py."""

    def rows(self, step: Step, data: Path | None) -> pd.DataFrame:
        """The rows of a model, and a note of its settings in ran.yaml."""
        assert data is not None
        rows = super().rows(step, data) if step.words else sampled.rows_of(step, data)
        file = self.folder / "ran.yaml"
        ran = yaml.safe_load(file.read_text())
        ran[f"{step.protocol}: {step.row['model']}"] = step.settings
        file.write_text(yaml.safe_dump(ran, width=1000))
        return rows


if __name__ == "__main__":
    PublishedNumbers(__file__).run()
