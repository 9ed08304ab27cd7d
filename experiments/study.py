"""The driver of every study: runs the steps of its plan.yaml and keeps its results.csv.

    python experiments/NN-question/run.py [DATA] [--only NAME ...] [--cluster HOST:PORT]

plan.yaml holds ``parts``. A part is one step, or one step for each of its ``rows``. A step's ``command`` is
what follows ``growthlab``; in it DATA stands for the path that was given and MODEL for the model of the
row. A step without a command is code of the study's own run.py. Runs go to the study's own MLflow store in
``.growthlab/studies/<study>/``, and results.csv is written after every step. A step that is finished in
this checkout is not run again, so an interrupted study goes on where it stopped. With ``--cluster`` the fits
and trials of its steps are sent to that Ray cluster, and nothing else changes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from growthlab.tracking.run_files import logged_values

ROOT = Path(__file__).resolve().parents[1]
RUN = ["task", "data", "protocol", "split", "model", "seed"]  # what names a run in results.csv
COLUMNS = [
    *RUN,
    "metric",
    "value",
    "low",
    "high",
    "fit_seconds",
    "device",
    "code_version",
    "run_id",
]
COMMANDS_OF_A_CLUSTER = ("compare", "train", "tune")
STRATA_METRICS = ("hit_rate_at_10", "ndcg_at_10")


@dataclass(frozen=True)
class Step:
    """One step of a plan: a part, or one row of a part."""

    part: str
    plan: Mapping[str, Any]  # the part in plan.yaml
    row: Mapping[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> str:
        """The settings of the row."""
        return f"{self.row.get('settings', '')} {self.row.get('more', '')}".strip()

    @property
    def name(self) -> str:
        """``part``, or ``part/row`` with the row's model and name, else its settings."""
        named = " ".join(str(self.row[key]) for key in ("model", "name") if key in self.row)
        return f"{self.part}/{named or self.settings}" if self.row else self.part

    @property
    def protocol(self) -> str | None:
        """What results.csv calls the protocol, where the plan names it; else it is the cutoff."""
        named = self.plan.get("protocol")
        return f"{named}, {self.row['name']}" if named and "name" in self.row else named

    @property
    def words(self) -> list[str]:
        """The command as the plan says it; empty for a step of the study's own code."""
        command = (
            f"{self.plan.get('command', '')} {self.settings if 'command' in self.plan else ''}"
        )
        return command.replace("MODEL", str(self.row.get("model", ""))).split()


class Study:
    """A study's plan, runs and results; a study with results of its own overrides `rows` or `finish`."""

    def __init__(self, script: str) -> None:
        self.folder = Path(script).resolve().parent
        self.cluster: str | None = None  # HOST:PORT of a Ray cluster, or local
        self.runs_folder = ROOT / ".growthlab" / "studies" / self.folder.name
        self.plan: dict[str, Any] = yaml.safe_load((self.folder / "plan.yaml").read_text())

    @property
    def steps(self) -> list[Step]:
        """All steps, in the order of the plan."""
        return [
            Step(name, part, row)
            for name, part in self.plan["parts"].items()
            for row in part.get("rows", [{}])
        ]

    @cached_property
    def client(self) -> Any:
        """The MLflow client of the study's store."""
        from mlflow import MlflowClient

        self.runs_folder.mkdir(parents=True, exist_ok=True)
        return MlflowClient(f"sqlite:///{self.runs_folder / 'mlflow.db'}")

    def runs(self, *parts: str) -> Iterator[Any]:
        """Finished runs of models of the named parts or steps; of a run made twice the newest."""
        places = [e.experiment_id for e in self.client.search_experiments()]
        query = "tags.kind = 'model' AND status = 'FINISHED'"
        newest_first = ["start_time DESC"]
        seen = set()
        for run in self.client.search_runs(places, query, max_results=5000, order_by=newest_first):
            tags = run.data.tags
            step = tags.get("step", "")
            key = (step, *(tags[n] for n in ("task", "data", "cutoff", "model", "seed")))
            if key not in seen and {step, step.partition("/")[0]} & set(parts):
                seen.add(key)
                yield run

    def table_of(self, run: Any, name: str) -> pd.DataFrame:
        """A table that a run left in its artifacts, CSV or Parquet."""
        path = self.client.download_artifacts(run.info.run_id, name)
        return pd.read_csv(path) if name.endswith(".csv") else pd.read_parquet(path)

    def rows(self, step: Step, data: Path | None) -> pd.DataFrame:
        """The rows of results.csv that a step gives: one a metric of each of its runs."""
        rows: list[dict[str, Any]] = []
        for run in self.runs(step.name):
            rows += metric_rows(run, step, logged_values(self.client, run))
            if strata := step.plan.get("strata", ()):
                rows += strata_rows(run, step, strata, self.table_of(run, "strata.csv"))
        return pd.DataFrame(rows, columns=COLUMNS)

    def finish(self) -> None:
        """What is written once after the steps."""

    def keep(self, rows: pd.DataFrame) -> None:
        """Put rows into results.csv in place of the earlier rows of the same runs."""
        path = self.folder / "results.csv"
        if path.exists():
            known = pd.read_csv(path).astype({"seed": "Int64"})
            rows = rows.astype({"seed": "Int64"})
            again = pd.MultiIndex.from_frame(known[RUN]).isin(pd.MultiIndex.from_frame(rows[RUN]))
            rows = pd.concat([part for part in (known[~again], rows) if len(part)])
        rows.sort_values([*RUN, "metric"], kind="stable")[COLUMNS].to_csv(path, index=False)

    def growthlab(self, step: Step, data: Path | None) -> bool:
        """Run a step's command in the study's store and cache; whether every model succeeded."""
        words = [w.replace("DATA", str(data)) for w in step.words]
        own = [
            f"tracking.uri=sqlite:///{self.runs_folder / 'mlflow.db'}",
            f"tracking.artifacts={self.runs_folder / 'artifacts'}",
            f"cache={self.runs_folder / 'cache'}",
            f"+tags.step='{step.name}'",
        ]
        if self.cluster is not None and words[0] in COMMANDS_OF_A_CLUSTER:
            own += ["cluster=ray", f"cluster.address={self.cluster}"]
        self.runs_folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run([sys.executable, "-m", "growthlab.cli.main", *words, *own])
        if done.returncode not in (0, 1):  # 1: a model failed, and the leaderboard says which
            sys.exit(done.returncode)
        return done.returncode == 0

    def run(self) -> None:
        """The command line: run what is left of the plan, or of the parts that were named."""
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        needs = self.plan.get("data")
        parser = argparse.ArgumentParser(description=f"Run the plan of {self.folder.name}.")
        if needs:
            parser.add_argument("data", type=Path, metavar="DATA", help=f"path of {needs}")
        parser.add_argument(
            "--only",
            nargs="+",
            metavar="NAME",
            help="parts or steps of plan.yaml; * stands for any text",
        )
        parser.add_argument(
            "--cluster", metavar="HOST:PORT", help="Ray cluster for fits and trials, or local"
        )
        options = parser.parse_args()
        self.cluster = options.cluster
        data = options.data.resolve() if needs else None
        if data is not None and not data.exists():
            parser.error(f"{data} does not exist: give the path of {needs}")
        done_file = self.runs_folder / "done.yaml"
        done = yaml.safe_load(done_file.read_text()) if done_file.exists() else {}
        for step in self._chosen(options.only, parser):
            settings = " ".join(step.words) or step.settings
            if done.get(step.name) == settings:
                print(f"{step.name}: finished before (remove {done_file} to run it again)")
                continue
            print(f"{step.name}: {settings or 'code of run.py'}", flush=True)
            succeeded = self.growthlab(step, data) if step.words else True
            rows = self.rows(step, data)
            self.keep(rows)
            print(f"{step.name}: {len(rows):,} rows in results.csv", flush=True)
            if succeeded:
                done[step.name] = settings
                self.runs_folder.mkdir(parents=True, exist_ok=True)
                done_file.write_text(yaml.safe_dump(done, width=1000))
        self.finish()

    def _chosen(self, names: Sequence[str] | None, parser: argparse.ArgumentParser) -> list[Step]:
        """The steps that the names mean, all without names."""
        steps = self.steps
        for name in names or ():
            if not any(fnmatch(known, name) for s in steps for known in (s.part, s.name)):
                possible = ", ".join(dict.fromkeys(n for s in steps for n in (s.part, s.name)))
                parser.error(f"--only {name}: possible are {possible}")
        return [
            step
            for step in steps
            if names is None
            or any(fnmatch(n, name) for name in names for n in (step.part, step.name))
        ]


def about(run: Any, step: Step) -> dict[str, Any]:
    """What all rows of a run share."""
    tags = run.data.tags
    return {
        "task": tags["task"],
        "data": tags["data"],
        "protocol": step.protocol or f"cutoff {tags['cutoff'][:10]}",
        "split": tags["split"],
        "model": tags["model"],
        "seed": int(tags["seed"]),
        "fit_seconds": round(run.data.metrics["fit_seconds"], 3),
        "device": tags.get("device", "cpu"),
        "code_version": tags["code_version"],
        "run_id": run.info.run_id,
    }


def metric_rows(run: Any, step: Step, metrics: Mapping[str, float]) -> list[dict[str, Any]]:
    """One row a metric of a run, of all that were logged."""
    named = [m for m in metrics if m.startswith(("test/", "valid/", "score_seconds", "coverage"))]
    return [
        {
            **about(run, step),
            "metric": name,
            "value": round(metrics[name], 6),
            "low": metrics.get(f"{name}/low"),
            "high": metrics.get(f"{name}/high"),
        }
        for name in named
        if not name.endswith(("/low", "/high"))
    ]


def strata_rows(
    run: Any, step: Step, strata: Sequence[str], table: pd.DataFrame
) -> list[dict[str, Any]]:
    """The two accuracies at 10 against the parts of the truth: ``test/ndcg_at_10 of tail``."""
    wanted = table["stratum"].isin(strata) & table["metric"].isin(STRATA_METRICS)
    return [
        {
            **about(run, step),
            "metric": f"test/{row.metric} of {row.stratum}",
            **{name: round(getattr(row, name), 6) for name in ("value", "low", "high")},
        }
        for row in table[wanted].itertuples()
    ]
