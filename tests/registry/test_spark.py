"""Spark on a logged bundle and on a file of customers: needs growthlab[spark] and Java."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from tests.bundle.conftest import PROVENANCE

from growthlab.bundle.answers import RecommendRequest
from growthlab.bundle.batch import recommend_file, score_file
from growthlab.bundle.bundle import Bundle
from growthlab.core.histories import Catalogue, Histories
from growthlab.export.write_bundle import write_estimator, write_recommender
from growthlab.features.examples import Examples
from growthlab.models.recommend.item_knn import ItemKNN
from growthlab.ranking.rules import Rules
from growthlab.registry.pyfunc import log_pyfunc
from growthlab.scorers.curve_row_scorer import CurveRowScorer
from growthlab.tasks.churn import Churn
from growthlab.training.fit_options import FitOptions

REQUIRED = "GROWTHLAB_SPARK"  # set where a skip would hide that nobody looked
BLOCK_ROWS = 4
KNOWN = "u1"
# a process of its own, and one for all tests: Spark keeps threads, sockets and a Java machine
CODE = """
import json, os, sys
import mlflow
from pyspark.sql import SparkSession
from pyspark.sql.functions import struct
from growthlab.bundle import batch
from growthlab.cluster.spark_batch import SparkCluster
from growthlab.core.errors import GrowthlabError
from growthlab.ranking.rules import Rules
uri, model, rows, folder = sys.argv[1:]
mlflow.set_tracking_uri(uri)
settings = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "512m",
    "spark.ui.enabled": "false",
}
builder = SparkSession.builder.master("local[2]")
for name, value in settings.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
answer = mlflow.pyfunc.spark_udf(spark, model, env_manager="local", params={"k": 2})
table = spark.createDataFrame(json.loads(rows), "user_id string, history string")
found = table.withColumn("answer", answer(struct("user_id", "history"))).collect()

os.chdir(folder)
batch.BLOCK_ROWS = BLOCK_ROWS
cluster, rules = SparkCluster(), Rules(deny=("i3",))
for kind in ("csv", "parquet"):
    batch.recommend_file("lists", "users.csv", f"spark.{kind}", 3, rules, engine=cluster)
batch.score_file("numbers", "users.csv", "spark_numbers.csv", engine=cluster)

class Halted(BaseException):
    pass

answered = []
class HaltsAfterOneWave(SparkCluster):
    def writers(self, job, bundle, blocks):
        for number, write in enumerate(super().writers(job, bundle, blocks)):
            if number == 2 and not answered:
                answered.append(number)
                raise Halted
            yield write

try:
    batch.recommend_file("lists", "users.csv", "resumed.csv", 3, rules, engine=HaltsAfterOneWave())
except Halted:
    answered.append(len(json.load(open(".resumed.csv.blocks/journal.json"))["rows"]))
class Counts(SparkCluster):
    def writers(self, job, bundle, blocks):
        def counted():
            for rows in blocks:
                answered.append(rows.first)
                yield rows
        yield from super().writers(job, bundle, counted())
batch.recommend_file("lists", "users.csv", "resumed.csv", 3, rules, engine=Counts())

mistakes = []
try:
    batch.recommend_file("lists", "broken.csv", "broken_lists.csv", engine=cluster)
except GrowthlabError as error:
    mistakes.append([type(error).__name__, str(error)])
spark.stop()
print(json.dumps([[row["answer"].asDict() for row in found], answered, mistakes]))
"""

pytestmark = pytest.mark.skipif(
    shutil.which("java") is None and REQUIRED not in os.environ,
    reason="Spark needs Java 17 or newer",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A bundle of lists, one of numbers, and files of customers."""
    folder = tmp_path_factory.mktemp("spark")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GROWTHLAB_PSEUDONYM_KEY", raising=False)
        patch.setenv("GROWTHLAB_KEY_FILE", str(folder / "pseudonym.key"))
        rows, items = np.divmod(np.arange(40), 4)
        past = Histories.from_events(
            Catalogue(np.array([f"i{i}" for i in range(8)])),
            np.array([f"u{i}" for i in range(10)]),
            rows,
            (rows + items * 3) % 8,
            items,
        )
        model = ItemKNN(neighbours=3).fit(past, FitOptions())
        bought = np.asarray(past.matrix().sum(axis=0)).ravel()
        write_recommender(
            folder / "lists", model.scorer(), PROVENANCE, histories=past, fallback=bought
        )
        table = pd.DataFrame({"days_since_last": [10.0, 90.0]})
        snapshots = np.full(2, np.datetime64("2024-03-01", "us"))
        customers = Examples(table, np.array(["u1", "u2"]), snapshots, horizon_days=28.0)
        rule = CurveRowScorer(
            "days_since_last", np.array([0.0, 100.0]), np.array([0.1, 0.9]), missing=0.3
        )
        about = replace(PROVENANCE, task="churn", answer=Churn.answer, filter_seen="none")
        write_estimator(folder / "numbers", rule, about, customers=customers, base=0.5)
        users = [f"u{i}" if i % 3 else "stranger" for i in range(5 * BLOCK_ROWS - 1)]
        pd.DataFrame({"user_id": users}).to_csv(folder / "users.csv", index=False)
        broken = pd.DataFrame({"user_id": users, "personalised": ["yes", *["true"] * 18]})
        broken.to_csv(folder / "broken.csv", index=False)
        yield folder


@pytest.fixture(autouse=True)
def own_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key that the bundles were written with."""
    monkeypatch.delenv("GROWTHLAB_PSEUDONYM_KEY", raising=False)
    monkeypatch.setenv("GROWTHLAB_KEY_FILE", str(folder / "pseudonym.key"))


@pytest.fixture(scope="module")
def said(folder: Path) -> Any:
    """What the process said: answers of the UDF, what was answered when, and mistakes."""
    if REQUIRED not in os.environ:
        pytest.importorskip("pyspark", reason="pip install 'growthlab[spark]'")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment("spark", artifact_location=(folder / "a").as_uri())
    run_id = client.create_run(experiment).info.run_id
    model_uri = log_pyfunc(folder / "lists", uri=uri, run_id=run_id).model_uri
    rows = json.dumps([[KNOWN, None], [None, "i5"], ["stranger", None]])
    env = os.environ | {
        "GROWTHLAB_KEY_FILE": str(folder / "pseudonym.key"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYSPARK_PYTHON": sys.executable,
    }
    code = CODE.replace("= BLOCK_ROWS", f"= {BLOCK_ROWS}")
    words = [sys.executable, "-W", "ignore", "-c", code, uri, model_uri, rows, str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of the same size on this machine."""
    monkeypatch.setattr("growthlab.bundle.batch.BLOCK_ROWS", BLOCK_ROWS)


def test_spark_udf_answers_as_the_bundle_does(folder: Path, said: Any) -> None:
    answers, _, _ = said
    asked = [
        RecommendRequest(KNOWN),
        RecommendRequest(history=["i5"]),
        RecommendRequest("stranger"),
    ]
    expected_answers = Bundle.load(folder / "lists").recommend(asked, 2)
    for found, expected in zip(answers, expected_answers, strict=True):
        assert found["items"] == [i.item for i in expected.items]
        assert found["scores"] == [i.score for i in expected.items]
        assert (found["served"], found["level"]) == (expected.served, expected.level)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_lists_of_a_cluster_are_those_of_one_machine_byte_by_byte(
    folder: Path, said: Any, kind: str, in_blocks: None, tmp_path: Path
) -> None:
    here = tmp_path / f"here.{kind}"
    recommend_file(folder / "lists", folder / "users.csv", here, 3, Rules(deny=("i3",)))
    assert (folder / f"spark.{kind}").read_bytes() == here.read_bytes()


def test_numbers_of_a_cluster_are_those_of_one_machine_byte_by_byte(
    folder: Path, said: Any, in_blocks: None, tmp_path: Path
) -> None:
    score_file(folder / "numbers", folder / "users.csv", tmp_path / "here.csv")
    assert (folder / "spark_numbers.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()


def test_an_interrupted_batch_goes_on_after_its_finished_blocks(folder: Path, said: Any) -> None:
    _, answered, _ = said
    assert answered == [2, 2, 8, 12, 16]  # halted at its third block of five; two were finished
    assert (folder / "resumed.csv").read_bytes() == (folder / "spark.csv").read_bytes()
    assert not list(folder.glob(".*.blocks"))


def test_a_mistake_in_a_row_is_one_line_as_on_one_machine(folder: Path, said: Any) -> None:
    _, _, mistakes = said
    assert mistakes == [["DataError", "row 1: personalised is true or false, got 'yes'"]]
    assert not (folder / "broken_lists.csv").exists()
