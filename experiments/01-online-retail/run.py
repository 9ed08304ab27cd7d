"""Runs the comparisons of plan.yaml.

python experiments/01-online-retail/run.py TRANSACTIONS.parquet
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from study import Study

if __name__ == "__main__":
    Study(__file__).run()
