"""growthlab monitor: what it prints, writes and logs, and its exit status."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

from growthlab.bundle.bundle import Bundle
from growthlab.cli.main import main

Lines = list[dict[str, Any]]


def test_a_drift_is_reported_on_the_console_the_page_in_mlflow_and_by_the_status(
    churn_bundle: Bundle,
    churn_of: Callable[..., Lines],
    write: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    days = np.random.default_rng(1).uniform(40, 130, 300).tolist()
    path = write(churn_of(days))
    words = ["monitor", f"bundle={churn_bundle.folder}", f"log={path}"]
    assert main([*words, "fail_on_alert=true"]) == 3
    out = capsys.readouterr().out
    assert "GRAVE: feature.days_since_last: the distribution moved: PSI" in out
    page = (tmp_path / "reports" / "watched_shop" / "monitoring-churn.html").read_text()
    assert "feature.days_since_last: the distribution moved" in page
    assert page.count("<svg") == 2
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.get_experiment_by_name("watched_shop/monitoring")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.tags["bundle_version"] == churn_bundle.manifest.version
    assert run.data.tags["alerts"] == "feature.days_since_last; score"
    assert run.data.metrics["psi/score"] > 0.25
    assert run.data.metrics["answers"] == 300
    names = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert names == {"config.yaml", "monitor.html", "monitor.json"}
    stored = client.download_artifacts(run.info.run_id, "monitor.json", str(tmp_path))
    content = json.loads(Path(stored).read_text())
    assert [a["about"] for a in content["alerts"]] == ["feature.days_since_last", "score"]
    assert sum(content["distributions"]["score"]["current"]) == 300


@pytest.mark.parametrize(
    ("words", "mistake"),
    [
        (["bundle=none"], "none is no bundle"),
        (["limits.psi=0.1"], "limits.psi"),
        (["since=soon"], "since=soon is no time"),
        (["limits.errors=0"], "limits.errors must be above 0"),
        (["log=none.jsonl"], "log=none.jsonl: no such file"),
        (["since=2025-02-01", "until=2025-01-01"], "nothing lies between"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    words: list[str],
    mistake: str,
    churn_bundle: Bundle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [f"bundle={churn_bundle.folder}", "log=requests.jsonl"]
    given = [g for g in given if g.split("=")[0] not in {w.split("=")[0] for w in words}]
    assert main(["monitor", *given, *words]) == 2
    err = capsys.readouterr().err
    assert mistake in err
    assert err.count("growthlab: ") == 1
    assert list(tmp_path.iterdir()) == []


def test_lists_are_not_evaluated_and_no_data_are_read_for_them(
    lists_bundle: Bundle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [f"bundle={lists_bundle.folder}", "log=requests.jsonl", "data=simulated_shop"]
    assert main(["monitor", *words]) == 2
    assert "data= evaluates predictions for customers" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_predictions_are_not_evaluated_by_another_data_set(
    churn_bundle: Bundle,
    line_of: Callable[..., dict[str, Any]],
    write: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert churn_bundle.key is not None
    user = churn_bundle.key.pseudonym(churn_bundle.manifest.namespace, "user0000")
    log = write([line_of(churn_bundle, 0, user=user, value=0.5)])
    # the ids coincide, but before 2024-03-01 there are 3 customers here, and 2,000 in the bundle
    rows = [f"user000{n},tea,2024-02-01" for n in range(3)] + ["user0000,tea,2024-04-02"]
    (tmp_path / "newer.csv").write_text("\n".join(["user,item,day", *rows]) + "\n")
    words = ["monitor", f"bundle={churn_bundle.folder}", f"log={log}", "data=tabular_file"]
    words += ["data.path=newer.csv", "data.event_type=purchase"]
    words += ["data.columns={user_id:user,item_id:item,timestamp:day}"]
    assert main(words) == 2
    err = capsys.readouterr().err
    assert "as of 2024-03-01T00:00:00 this data has 3 known users, and" in err
    assert "2,000: is it the same data set?" in err
    assert not (tmp_path / "reports").exists()
    assert main([*words, "same_data=false"]) == 0
    assert "What came of the predictions" in capsys.readouterr().out
