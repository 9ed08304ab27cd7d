"""mlflow.pyfunc.spark_udf on a logged bundle: needs growthlab[spark] and Java."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from growthlab.bundle.answers import RecommendRequest
from growthlab.bundle.bundle import Bundle
from growthlab.registry.pyfunc import log_pyfunc

REQUIRED = "GROWTHLAB_SPARK"  # set where a skip would hide that nobody looked
ANNA = "anna.schmidt@example.org"
# a process of its own: Spark keeps threads, sockets and a Java machine
CODE = """
import json, sys
import mlflow
from pyspark.sql import SparkSession
from pyspark.sql.functions import struct
uri, model, rows = sys.argv[1:]
mlflow.set_tracking_uri(uri)
settings = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "512m",
    "spark.ui.enabled": "false",
}
builder = SparkSession.builder.master("local[1]")
for name, value in settings.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
answer = mlflow.pyfunc.spark_udf(spark, model, env_manager="local", params={"k": 2})
table = spark.createDataFrame(json.loads(rows), "user_id string, history string")
found = table.withColumn("answer", answer(struct("user_id", "history"))).collect()
print(json.dumps([row["answer"].asDict() for row in found]))
spark.stop()
"""


@pytest.mark.skipif(
    shutil.which("java") is None and REQUIRED not in os.environ,
    reason="Spark needs Java 17 or newer",
)
def test_spark_udf_answers_as_the_bundle_does(folder: Path, tmp_path: Path) -> None:
    if REQUIRED not in os.environ:
        pytest.importorskip("pyspark", reason="pip install 'growthlab[spark]'")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment("spark", artifact_location=(tmp_path / "a").as_uri())
    run_id = client.create_run(experiment).info.run_id
    model_uri = log_pyfunc(folder, uri=uri, run_id=run_id).model_uri
    rows = [[ANNA, None], [None, "coffee"], ["stranger", None]]
    env = os.environ | {"PYSPARK_PYTHON": sys.executable, "MLFLOW_DISABLE_TELEMETRY": "true"}
    words = [sys.executable, "-W", "ignore", "-c", CODE, uri, model_uri, json.dumps(rows)]
    done = subprocess.run(words, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr[-3000:]
    answers = json.loads(done.stdout.splitlines()[-1])
    asked = [
        RecommendRequest(ANNA),
        RecommendRequest(history=["coffee"]),
        RecommendRequest("stranger"),
    ]
    for found, expected in zip(answers, Bundle.load(folder).recommend(asked, 2), strict=True):
        assert found["items"] == [i.item for i in expected.items]
        assert found["scores"] == [i.score for i in expected.items]
        assert (found["served"], found["level"]) == (expected.served, expected.level)
