"""For every model of the config tree: the laboratory, its bundle and its pyfunc say the same."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from tests.new_stores import CopiedStores

from growthlab.bundle.answers import PredictRequest, RecommendRequest
from growthlab.bundle.bundle import Bundle
from growthlab.bundle.manifest import Provenance
from growthlab.config.compose import compose
from growthlab.config.conf_tree import choices
from growthlab.core.build import build
from growthlab.core.errors import ExportError
from growthlab.core.histories import Histories
from growthlab.data.simulated_shop import SimulatedShop
from growthlab.export.write_bundle import write_estimator, write_recommender
from growthlab.registry.global_store import global_store
from growthlab.registry.pyfunc import log_pyfunc
from growthlab.split.fold import Fold
from growthlab.tasks.base import Task
from growthlab.tasks.data_defaults import with_data_defaults
from growthlab.training.fit_options import FitOptions

SEED, K = 3, 10
TOLERANCE = 1e-4  # onnxruntime and torch add up in different orders
TASKS = {"recommend": "top_n", "churn": "churn", "value": "value"}
RECOMMENDERS = [c for c in choices("model") if c.startswith("recommend/")]
ESTIMATORS = [c for c in choices("model") if c.startswith(("churn/", "value/"))]


@dataclass(frozen=True)
class Exported:
    """A fitted model of the config tree, what it was fitted on, and its bundle."""

    task: Any
    data: Any
    model: Any
    folder: Path


Export = Callable[[str], Exported]


@pytest.fixture(scope="module")
def export(
    shop_fold: Fold, shop_source: SimulatedShop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Export]:
    """From a model's config to its bundle; networks see one epoch."""
    root, shared = tmp_path_factory.mktemp("parity"), {}

    @cache
    def exported(choice: str) -> Exported:
        family, _, name = choice.partition("/")
        config = compose("train", [f"task={TASKS[family]}", f"model={choice}"]).config
        if family not in shared:
            task = with_data_defaults(build(config.task, Task), shop_source)
            shared[family] = task, task.data(shop_fold)
        task, data = shared[family]
        if "trainer" in config.model:
            config.model.trainer.epochs = 1
        model = task.fit(
            build(config.model, task.model_type), data, FitOptions(seed=SEED, device="cpu")
        )
        return Exported(task, data, model, write(root / family / name, task, data, model))

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GROWTHLAB_PSEUDONYM_KEY", raising=False)
        patch.setenv("GROWTHLAB_KEY_FILE", str(root / "pseudonym.key"))
        yield exported


@pytest.fixture(autouse=True)
def own_key() -> None:
    """In place of a key for each test: here one for all, as they share bundles."""


@pytest.fixture(scope="module")
def pyfunc_of(
    tmp_path_factory: pytest.TempPathFactory, copied_stores: CopiedStores
) -> Callable[[Path], Any]:
    """Logs a bundle to a real store and loads it again."""
    root = tmp_path_factory.mktemp("mlflow")
    uri = copied_stores.uri(root)
    client = MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment("parity", artifact_location=(root / "a").as_uri())
    run_id = client.create_run(experiment).info.run_id

    def loaded(bundle: Path) -> Any:
        info = log_pyfunc(bundle, uri=uri, run_id=run_id)
        with global_store(uri):
            return mlflow.pyfunc.load_model(info.model_uri)

    return loaded


def write(folder: Path, task: Any, data: Any, model: Any) -> Path:
    """The model's bundle; a model that cannot be exported is no matter of these tests."""
    try:
        scorer = model.scorer()
    except (AttributeError, ExportError) as error:
        pytest.skip(f"not exportable: {error}")
    about = Provenance(
        task=task.name,
        answer=task.answer,
        model=folder.name,
        data="simulated_shop",
        data_digest="0" * 64,
        split="global_time",
        seed=SEED,
        horizon_days=28.0,
        filter_seen=getattr(task, "filter_seen", None) or "none",
    )
    if task.answer.kind.is_list:
        return write_recommender(
            folder, scorer, about, histories=data.past, fallback=data.popularity
        )
    return write_estimator(folder, scorer, about, customers=data.evaluated, base=data.mean_outcome)


def assert_same_lists(
    items: list[list[str]], scores: list[list[float]], expected: Any, catalogue: np.ndarray
) -> None:
    """Equal scores at every rank, and equal items but where scores are as good as tied."""
    n_same = n_listed = 0
    for row, (names, values) in enumerate(zip(items, scores, strict=True)):
        listed = expected.items[row][:K] >= 0
        known = catalogue[expected.items[row][:K][listed]]
        assert len(names) == len(known)
        np.testing.assert_allclose(
            values, expected.scores[row][:K][listed], rtol=TOLERANCE, atol=TOLERANCE
        )
        n_same += int((np.array(names, dtype=str) == known).sum())
        n_listed += len(known)
    assert n_same >= 0.995 * n_listed


@pytest.mark.parametrize("choice", RECOMMENDERS)
def test_recommender_bundle_and_pyfunc_agree_with_the_laboratory(
    choice: str, export: Export, pyfunc_of: Callable[[Path], Any]
) -> None:
    of = export(choice)
    bundle, catalogue = Bundle.load(of.folder), of.data.past.catalogue.item_ids
    expected = of.task.lists(of.model, of.data)
    users = of.data.histories.user_ids.tolist()
    answers = bundle.recommend([RecommendRequest(u) for u in users], K)
    items = [[i.item for i in a.items] for a in answers]
    scores = [[i.score for i in a.items] for a in answers]
    assert_same_lists(items, scores, expected, catalogue)
    alike = expected.fallback | (of.data.histories.lengths == 0)  # nothing of one's own
    assert [a.served == "popularity_fallback" for a in answers] == alike.tolist()

    table = pyfunc_of(of.folder).predict(pd.DataFrame({"user_id": users}), params={"k": K})
    assert len(table) == len(users)
    assert table["items"].tolist() == items
    assert table["scores"].tolist() == scores

    one = bundle.recommend([RecommendRequest(users[0])], K)[0]  # alone as among others
    assert [i.item for i in one.items] == items[0]


@pytest.mark.parametrize("choice", RECOMMENDERS)
def test_recommender_folds_in_as_in_the_laboratory(choice: str, export: Export) -> None:
    of = export(choice)
    catalogue = of.data.past.catalogue
    histories = [catalogue.item_ids[i : i + n].tolist() for i, n in enumerate((1, 2, 5, 17))]
    scores = of.model.score(Histories.from_lists(catalogue, histories))
    requests = [RecommendRequest(history=h, filter_seen="none") for h in histories]
    for row, answer in enumerate(Bundle.load(of.folder).recommend(requests, len(catalogue))):
        if np.isnan(scores[row]).all():
            assert answer.served == "content"  # the next level: all items of the shop have a text
            continue
        assert answer.served == "folded_in"
        found = [i.score for i in answer.items]
        codes = catalogue.codes([i.item for i in answer.items])
        np.testing.assert_allclose(found, scores[row][codes], rtol=TOLERANCE, atol=TOLERANCE)
        assert len(found) == np.isfinite(scores[row]).sum()


@pytest.mark.parametrize("choice", RECOMMENDERS)
def test_every_model_answers_every_way_to_ask(choice: str, export: Export) -> None:
    of = export(choice)
    bundle, catalogue = Bundle.load(of.folder), of.data.past.catalogue
    order = np.argsort(-of.data.popularity, kind="stable")
    popular, rare = catalogue.item_ids[order[[0, 1]]].tolist(), str(catalogue.item_ids[order[-1]])
    user = str(of.data.past.user_ids[0])
    asked = [
        RecommendRequest(user, filter_seen="none"),
        RecommendRequest(history=popular, filter_seen="none"),
        RecommendRequest(item=popular[0]),
        RecommendRequest(item=rare),
        RecommendRequest(basket=popular),
        RecommendRequest(user, personalised=False),
        RecommendRequest(),
        RecommendRequest(item="no such item"),
    ]
    answers = bundle.recommend(asked, K)
    for request, answer in zip(asked, answers, strict=True):
        names = [i.item for i in answer.items]
        assert len(names) == len(set(names)) == K
        assert not {request.item, *(request.basket or ())} & set(names)
        assert {(i.reason or "because of ")[:11] for i in answer.items} == {"because of "}
    assert answers[2].level <= 2
    assert answers[3].level <= 2  # all items of the shop have a text
    assert [a.served for a in answers[5:6]] == ["not_personalised"]
    nobody = [
        RecommendRequest(),
        RecommendRequest("a stranger"),
        RecommendRequest(history=["no such item"]),
        RecommendRequest(basket=[]),
    ]
    assert {(a.served, a.level) for a in bundle.recommend(nobody, K)} == {
        ("popularity_fallback", 4)
    }
    if hasattr(bundle.list_maker.scorer, "because"):  # type: ignore[union-attr]
        assert any(i.reason for a in answers[:2] for i in a.items)


@pytest.mark.parametrize("choice", ESTIMATORS)
def test_estimator_bundle_and_pyfunc_agree_with_the_laboratory(
    choice: str, export: Export, pyfunc_of: Callable[[Path], Any]
) -> None:
    of = export(choice)
    judged = of.data.evaluated
    bundle, expected = Bundle.load(of.folder), of.model.predict(judged)
    users = judged.user_ids.tolist()
    known = bundle.predict([PredictRequest(u) for u in users])
    network = hasattr(of.model, "network_")  # computes in float32
    near = {"rtol": TOLERANCE, "atol": TOLERANCE} if network else {"rtol": 1e-9}
    np.testing.assert_allclose([a.value for a in known], expected, **near)
    assert {a.served for a in known} == {"known"}

    columns = bundle.predictor.scorer.columns  # type: ignore[union-attr]
    features = [
        {c: (None if pd.isna(row[c]) else row[c]) for c in columns}
        for row in pd.DataFrame({c: judged.column(c) for c in columns}).to_dict("records")
    ]
    given = bundle.predict([PredictRequest(features=f) for f in features])
    np.testing.assert_allclose([a.value for a in given], expected, **near)

    table = pyfunc_of(of.folder).predict(pd.DataFrame({"user_id": users}))
    assert len(table) == len(users)
    np.testing.assert_allclose(table[of.task.answer.field], expected, **near)
    (stranger,) = bundle.predict([PredictRequest("nobody")])
    assert (stranger.value, stranger.served) == (of.data.mean_outcome, "population_fallback")


@pytest.mark.parametrize("choice", RECOMMENDERS + ESTIMATORS)
def test_no_raw_user_id_is_in_any_bundle(choice: str, export: Export) -> None:
    of = export(choice)
    users = of.data.past.user_ids if choice in RECOMMENDERS else of.data.evaluated.user_ids
    content = content_of(of.folder)
    assert not [u for u in users.tolist() if u.encode() in content]
    assert not [u for u in users.tolist() if u.encode("utf-32-le") in content]


def test_bundles_of_all_kinds_answer_without_the_laboratory(export: Export) -> None:
    folders = []
    for choice in RECOMMENDERS + ESTIMATORS:
        with contextlib.suppress(pytest.skip.Exception):
            folders.append(str(export(choice).folder))
    code = (
        "import sys; from growthlab.bundle.bundle import Bundle, PredictRequest, RecommendRequest\n"
        f"for bundle in map(Bundle.load, {folders!r}):\n"
        "    if bundle.predictor is None:\n"
        "        item = bundle.list_maker.catalogue.item_ids[0]\n"
        "        bundle.recommend([RecommendRequest(history=[item])])\n"
        "    else:\n"
        "        column = bundle.predictor.scorer.columns[0]\n"
        "        bundle.predict([PredictRequest(features={column: 1})])\n"
        "sys.exit(', '.join({'torch', 'mlflow', 'hydra', 'duckdb'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(folders) > 10


def content_of(folder: Path) -> bytes:
    """Every byte of a bundle, arrays unpacked."""
    content = b""
    for path in (p for p in folder.rglob("*") if p.is_file()):
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                content += b"\n".join(arrays[name].tobytes() for name in arrays.files)
        else:
            content += path.read_bytes()
    return content
