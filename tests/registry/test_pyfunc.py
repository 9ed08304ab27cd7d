"""The MLflow model answers as the bundle does, unpickled; the registry knows the champion."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import httpx
import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from tests.patience import PATIENCE
from tests.ports import free_port

from growthlab.bundle.answer_table import REQUEST_COLUMNS
from growthlab.bundle.answers import RecommendRequest
from growthlab.bundle.bundle import Bundle
from growthlab.core.errors import BundleError
from growthlab.registry.global_store import global_store
from growthlab.registry.model_registry import register_bundle, set_challenger_alias
from growthlab.registry.pyfunc import log_pyfunc

ANNA = "anna.schmidt@example.org"


class Store:
    """A real sqlite store with a run in it."""

    def __init__(self, folder: Path) -> None:
        self.uri = f"sqlite:///{folder / 'mlflow.db'}"
        self.client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
        self.artifacts = folder / "artifacts"
        where = self.artifacts.as_uri()
        experiment = self.client.create_experiment("corner_shop/top_n", artifact_location=where)
        self.run_id = self.client.create_run(experiment).info.run_id

    def log(self, bundle: Path) -> str:
        return log_pyfunc(bundle, uri=self.uri, run_id=self.run_id).model_uri

    def load(self, model_uri: str) -> mlflow.pyfunc.PyFuncModel:
        with global_store(self.uri):
            return mlflow.pyfunc.load_model(model_uri)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("mlflow"))


def test_the_logged_model_lies_among_its_run_s_artifacts(
    store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    logged = log_pyfunc(folder, uri=store.uri, run_id=store.run_id)
    experiment = store.client.get_run(store.run_id).info.experiment_id
    assert store.client.get_logged_model(logged.model_id).experiment_id == experiment
    assert list(store.artifacts.rglob("pyfunc_model.py"))
    assert not (tmp_path / "mlruns").exists()


def test_each_row_of_a_table_is_answered_as_by_the_bundle(store: Store, folder: Path) -> None:
    model = store.load(store.log(folder))
    asked = pd.DataFrame(
        {
            "user_id": [ANNA, None, None, "stranger"],
            "history": [None, '["coffee", "?"]', ["tea"], None],
        }
    )
    answers = model.predict(asked, params={"k": 3, "filter_seen": "purchased"})
    requests = [
        RecommendRequest(ANNA, filter_seen="purchased"),
        RecommendRequest(history=["coffee", "?"], filter_seen="purchased"),
        RecommendRequest(history=["tea"], filter_seen="purchased"),
        RecommendRequest("stranger"),
    ]
    expected = Bundle.load(folder).recommend(requests, 3)
    assert answers["items"].tolist() == [[i.item for i in a.items] for a in expected]
    assert answers["scores"].tolist() == [[i.score for i in a.items] for a in expected]
    served = ["known", "folded_in", "folded_in", "popularity_fallback"]
    assert answers["served"].tolist() == served
    assert answers["n_unknown_items"].tolist() == [0, 1, 0, 0]


def test_one_column_is_enough(store: Store, folder: Path) -> None:
    model = store.load(store.log(folder))
    assert model.predict(pd.DataFrame({"user_id": [ANNA]}))["served"].tolist() == ["known"]
    lists = model.predict(pd.DataFrame({"history": ["tea"]}))
    assert lists["served"].tolist() == ["folded_in"]


def test_the_page_of_an_item_a_basket_and_no_personalisation_are_answered_so(
    store: Store, folder: Path
) -> None:
    asked = pd.DataFrame(
        {
            "user_id": [ANNA, ANNA, ANNA],
            "item": ["tea", None, None],
            "basket": [None, "tea lemon", None],
            "personalised": [None, None, False],
        }
    )
    answers = store.load(store.log(folder)).predict(asked)
    assert answers["served"].tolist() == ["similar_items", "basket", "not_personalised"]


def test_predictions_for_known_customers_features_and_nobody(
    store: Store, churn_folder: Path
) -> None:
    model = store.load(store.log(churn_folder))
    asked = pd.DataFrame(
        {"user_id": ["0042", None, "stranger"], "days_since_last": [None, 100.0, None]}
    )
    answers = model.predict(asked)
    assert answers["churn_probability"].tolist() == pytest.approx([0.18, 0.9, 0.5])
    assert answers["served"].tolist() == ["known", "features", "population_fallback"]
    known = model.predict(pd.DataFrame({"user_id": [77]}))  # an id may be a number
    assert known["served"].tolist() == ["known"]


def test_the_logged_model_has_signature_example_and_requirements_and_no_raw_id(
    store: Store, folder: Path
) -> None:
    info = log_pyfunc(folder, uri=store.uri, run_id=store.run_id)
    assert info.signature is not None
    assert info.signature.inputs.input_names() == list(REQUEST_COLUMNS)
    where = Path(urlparse(info.artifact_path).path)
    requirements = (where / "requirements.txt").read_text()
    assert "growthlab==" in requirements
    assert "torch" not in requirements
    files = [p for p in where.rglob("*") if p.is_file()]
    assert "input_example.json" in {p.name for p in files}
    assert not [p for p in files if p.suffix in (".pkl", ".pickle")]
    assert not [p for p in files if ANNA.encode() in p.read_bytes()]


def test_it_loads_and_serves_with_pickle_forbidden(store: Store, folder: Path) -> None:
    model_uri = store.log(folder)
    code = (
        f"import mlflow, pandas as pd; mlflow.set_tracking_uri({store.uri!r});"
        f"model = mlflow.pyfunc.load_model({model_uri!r});"
        "print(model.predict(pd.DataFrame({'history': ['tea']}))['served'].item())"
    )
    env = os.environ | {
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.stdout.strip() == "folded_in", done.stderr


def test_mlflow_models_serve_answers_with_it(store: Store, folder: Path) -> None:
    port = free_port()
    bin_folder = Path(sys.executable).parent
    words = ["models", "serve", "-m", store.log(folder), "-p", str(port), "--env-manager", "local"]
    env = os.environ | {
        "MLFLOW_TRACKING_URI": store.uri,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
    }
    process = subprocess.Popen(
        [bin_folder / "mlflow", *words],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    asked: dict[str, Any] = {
        "dataframe_records": [{"user_id": ANNA}, {"history": ["tea"]}, {"history": '["tea"]'}],
        "params": {"k": 2},
    }
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            _wait_for(client)
            answer = client.post("/invocations", json=asked)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(PATIENCE)
    assert answer.status_code == 200, answer.text
    rows = answer.json()["predictions"]
    assert [row["served"] for row in rows] == ["known", "folded_in", "folded_in"]
    assert len(rows[0]["items"]) == 2


def _wait_for(client: httpx.Client) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(httpx.TransportError):
            if client.get("/ping").status_code == 200:
                return
        time.sleep(0.2)
    pytest.fail(f"mlflow models serve was not up within {PATIENCE} s")


def test_a_broken_bundle_is_not_logged(store: Store, folder: Path) -> None:
    before = [m.model_id for m in store.client.search_logged_models(["1"])]
    (folder / "model.npz").write_bytes(b"")
    with pytest.raises(BundleError, match=r"model\.npz is corrupted"):
        store.log(folder)
    assert [m.model_id for m in store.client.search_logged_models(["1"])] == before


def test_a_registered_version_has_no_alias_by_itself_and_can_be_made_the_challenger(
    store: Store, folder: Path
) -> None:
    before = mlflow.get_tracking_uri()
    first = register_bundle(folder, uri=store.uri, run_id=store.run_id)
    assert (first.name, first.version) == ("corner_shop-top_n", "1")
    assert store.client.get_registered_model("corner_shop-top_n").aliases == {}
    second = register_bundle(folder, uri=store.uri, run_id=store.run_id)
    assert second.version == "2"
    set_challenger_alias(store.client, first)
    set_challenger_alias(store.client, second)
    aliases = store.client.get_registered_model("corner_shop-top_n").aliases
    assert {name: str(version) for name, version in aliases.items()} == {"challenger": "2"}
    challenger = store.client.get_model_version_by_alias("corner_shop-top_n", "challenger")
    assert challenger.run_id == store.run_id
    assert challenger.tags["data_digest"] == "ab" * 32
    assert challenger.tags["model"] == "item_knn"
    assert not [t for t in challenger.tags if t.startswith(("test/", "valid/"))]  # its run has them
    assert second.uri == "models:/corner_shop-top_n@challenger"
    model = store.load("models:/corner_shop-top_n@challenger")
    assert model.predict(pd.DataFrame({"user_id": [ANNA]}))["served"].tolist() == ["known"]
    assert mlflow.get_tracking_uri() == before


def test_a_model_that_was_logged_by_0_1_answers_still(
    folder: Path, churn_folder: Path, tmp_path: Path
) -> None:
    # its code lies among its own files, and imports names that have moved since
    code = Path(__file__).parent / "logged_by_0_1" / "pyfunc_model.py"
    answers = []
    for name, bundle in (("lists", folder), ("numbers", churn_folder)):
        mlflow.pyfunc.save_model(
            tmp_path / name, python_model=str(code), artifacts={"bundle": str(bundle)}
        )
        model = mlflow.pyfunc.load_model(str(tmp_path / name))
        answers.append(model.predict(pd.DataFrame({"user_id": [ANNA, "0042", None]})))
    assert answers[0]["served"].tolist() == ["known", *["popularity_fallback"] * 2]
    assert answers[1]["churn_probability"].tolist() == pytest.approx([0.5, 0.18, 0.5])
