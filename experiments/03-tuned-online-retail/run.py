"""Searches the settings of every recommender as plan.yaml says.

    python experiments/03-tuned-online-retail/run.py TRANSACTIONS.parquet

What each search used and found goes to search.csv.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from study import Study

OBJECTIVE = "valid/ndcg_at_10"


class TunedOnlineRetail(Study):
    """The winners' metrics as in every study, and beside them the searches."""

    def finish(self) -> None:
        """Write search.csv: the newest search, with the value of each model's own settings."""
        everywhere = [e.experiment_id for e in self.client.search_experiments()]
        trials = self.client.search_runs(
            everywhere,
            "tags.kind = 'trial' AND tags.trial = '0' AND status = 'FINISHED'",
            max_results=5000,
        )
        own = {t.data.tags["study"].rpartition("-")[2]: t.data.metrics[OBJECTIVE] for t in trials}
        for run in self.client.search_runs(everywhere, "tags.kind = 'comparison'"):
            files = {a.path for a in self.client.list_artifacts(run.info.run_id)}
            if "search.csv" in files:
                table = self.table_of(run, "search.csv")
                table.insert(len(table.columns) - 2, "own valid", table["model"].map(own))
                table.to_csv(self.folder / "search.csv", index=False)
                return


if __name__ == "__main__":
    TunedOnlineRetail(__file__).run()
