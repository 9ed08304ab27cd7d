"""The files of a new working folder: settings of one's own, what git ignores, a notebook."""

from __future__ import annotations

import json
from typing import Any

SETTINGS = """\
# Settings of your own for every growthlab command that has them; words of a command come first.
# `growthlab config compare` shows each value and where it comes from.

seeds: 1                  # a value: growthlab compare --help lists them
# task: churn             # a choice in a group, by its name: growthlab --help lists them
# data: orders            # conf/data/orders.yaml, which growthlab inspect orders.csv writes
# data.sample_users: 0.1  # with dots, or nested
# tracking:
#   uri: sqlite:////srv/team/mlflow.db
# memory_gb: 8
"""
DATA = """\
Your own data sets: `growthlab inspect orders.csv` writes orders.yaml here, and data=orders reads it.
"""
IGNORED = """\
conf/local/
.growthlab/
mlflow.db*
mlartifacts/
bundles/
reports/
segments/
promotions/
*.parquet
*.csv
"""
CELLS = (
    (
        "markdown",
        "# A first leaderboard\n\n"
        "`gl.dataset` is a simulated shop; `gl.read('orders.csv', {'user_id': 'customer'})` reads yours.",
    ),
    (
        "code",
        "import growthlab as gl\n\nlog = gl.dataset('simulated_shop', users=300, days=150)\nlog",
    ),
    ("code", "board = gl.compare(log, ['popularity', 'personal_frequency', 'item_knn'])\nboard"),
    (
        "code",
        "folder = gl.export(board, 'bundles/first', overwrite=True)\n"
        "gl.load(folder).recommend(k=5)",
    ),
)


def working_files() -> dict[str, str]:
    """The text of each file by its path in the folder."""
    return {
        "conf/local/default.yaml": SETTINGS,
        "conf/data/README.md": DATA,
        ".gitignore": IGNORED,
        "first_leaderboard.ipynb": json.dumps(_notebook(), indent=1) + "\n",
    }


def _notebook() -> dict[str, Any]:
    """The notebook in the format of Jupyter, without outputs."""
    cells = [_cell(number, kind, text) for number, (kind, text) in enumerate(CELLS)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def _cell(number: int, kind: str, text: str) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": kind,
        "id": f"cell{number}",
        "metadata": {},
        "source": text,
    }
    return cell if kind == "markdown" else {**cell, "outputs": [], "execution_count": None}
