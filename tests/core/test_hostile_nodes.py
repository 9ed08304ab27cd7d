"""Config nodes that would run code, read files or reach beyond a model: each is refused without effect."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from sklearn.pipeline import Pipeline
from sklearn.utils.discovery import all_estimators

from growthlab.core.build import build
from growthlab.core.errors import ConfigError
from growthlab.core.library_estimators import SklearnClassifier, SklearnRegressor, library_class
from growthlab.models.base import Estimator, Recommender
from growthlab.models.recommend import blend, sasrec

KIND = Recommender | Estimator | SklearnClassifier | SklearnRegressor
KNN = "growthlab.models.recommend.item_knn.ItemKNN"
BLEND = "growthlab.models.recommend.blend.Blend"
HURDLE = "growthlab.models.value.hurdle.Hurdle"
SASREC = "growthlab.models.recommend.sasrec.SASRec"
LOGISTIC = "sklearn.linear_model.LogisticRegression"
PIPELINE = "sklearn.pipeline.Pipeline"
BAGGING = "sklearn.ensemble.BaggingClassifier"
SCRIPT = "sklearn.utils._testing.assert_run_python_script_without_output"
TOUCH = "open('marker', 'w').write('code was run')"

# names that may not be a target anywhere
TARGETS = [
    # functions, of Python, of libraries, of ours
    *(
        "os.system",
        "os.remove",
        "builtins.exec",
        "builtins.eval",
        "builtins.open",
        "subprocess.run",
    ),
    *("importlib.import_module", "runpy.run_path", "pickle.loads", "shutil.rmtree", "pty.spawn"),
    *("urllib.request.urlretrieve", "webbrowser.open", "ctypes.CDLL", "code.interact"),
    *("numpy.load", "numpy.fromfile", "pandas.read_pickle", "pandas.read_csv", "joblib.load"),
    *("torch.load", "torch.hub.load", "mlflow.pyfunc.load_model", "hydra.utils.instantiate"),
    *("sklearn.datasets.fetch_openml", "sklearn.datasets.load_files", "sklearn.base.clone"),
    *("sklearn.pipeline.make_pipeline", "sklearn.model_selection.cross_val_score"),
    *("growthlab.core.build.build", "growthlab.models.gram.gram", "growthlab.cli.main.main"),
    *("growthlab.models.table_estimator.wrap_estimator", "growthlab.config.compose.compose"),
    # private modules and names
    *(SCRIPT, "sklearn.linear_model._logistic.LogisticRegression", "sklearn.ensemble._forest.Tree"),
    *("sklearn.utils._testing.TempMemmap", "lightgbm.basic.Booster", "lightgbm.sklearn.LGBMModel"),
    *("growthlab.models.hybrid._new_model", "growthlab._x.Y", "growthlab.models.__builtins__.open"),
    # classes that fulfil no contract of the place
    *("growthlab.core.atomic_write.AtomicFolder", "growthlab.data.tabular_file.TabularFile"),
    *("growthlab.tracking.store.Store", "growthlab.training.loop.Trainer", "pathlib.Path"),
    *("growthlab.models.base.Recommender", "growthlab.models.base.ScoredRecommender"),
    *(
        "sklearn.feature_extraction.text.CountVectorizer",
        "sklearn.utils.Bunch",
        "http.client.HTTPConnection",
    ),
    *("sklearn.preprocessing.StandardScaler", "sklearn.cluster.KMeans", "lightgbm.LGBMRanker"),
    *("lightgbm.Dataset", "lightgbm.DaskLGBMClassifier", "threading.Thread", "socket.socket"),
    # another path to a class that has its own
    *("growthlab.models.recommend.blend.Hybrid", "growthlab.models.recommend.content.ItemContent"),
    *("growthlab.models.recommend.sasrec.Trainer", "growthlab.cli.main.logging.Logger"),
    *("growthlab.models.recommend.item_knn.np.load", "sklearn.svm.np.load"),
    # odd names
    *("", ".", "..", "os", ".os.system", "os.system.", "os..system", "growthlab.models..base.X"),
    *(
        "growthlab.models.recommend.item_knn.ItemKNN ",
        " growthlab.models.recommend.item_knn.ItemKNN",
    ),
    *(
        "growthlab.models.recommend.item_knn.ItemKNN\n",
        "growthlab/models/recommend/item_knn.ItemKNN",
    ),
    *("growthlab.models.recommend.item_knn.ItemKNN.fit", "growthlab.models.recommend.item_knn"),
    *(
        "ｇrowthlab.models.recommend.item_knn.ItemKNN",
        "growthlab.models.recommend.item_knn.ItemＫNN",
    ),
    *(
        "growthlab.models.recommend.item_knn.ItemKNN\u200b",
        "growthlаb.models.recommend.item_knn.ItemKNN",
    ),
    *("sklearn.linear_model.LogisticRegression\x00", "${oc.env:HOME}", "a." * 5000 + "b"),
]
ODD_TARGETS: list[Any] = [None, 3, 1.5, True, ["os", "system"], {"_target_": "os.system"}]


def pipeline(*steps: Any, **settings: Any) -> dict[str, Any]:
    """A pipeline whose steps are these nodes."""
    return {
        "_target_": PIPELINE,
        "steps": [[f"step{i}", s] for i, s in enumerate(steps)],
        **settings,
    }


def node(target: str, **settings: Any) -> dict[str, Any]:
    """A config node."""
    return {"_target_": target, **settings}


GRID = {"_target_": "sklearn.model_selection.GridSearchCV", "estimator": node(LOGISTIC)}
RANDOM_GRID = "sklearn.model_selection.RandomizedSearchCV"
LGBM = "lightgbm.LGBMClassifier"
FILES = node("sklearn.feature_extraction.text.TfidfVectorizer", input="filename")
RUNS = node(SCRIPT, source_code=TOUCH)
SVR = "sklearn.svm.SVR"
SETTINGS: list[dict[str, Any]] = [
    # callables in settings, lists, members and steps
    node(KNN, event_weights={"view": node("os.system", command="x")}),
    node(KNN, neighbours=node(KNN)),
    node(LOGISTIC, C=[node("builtins.exec", _args_=[TOUCH])]),
    node(LOGISTIC, class_weight={"a": [[RUNS]]}),
    node(LOGISTIC, class_weight=node(KNN)),
    node(SASREC, trainer=node("builtins.exec", _args_=[TOUCH])),
    node(SASREC, loss=node("growthlab.training.loop.Trainer")),
    node(SASREC, loss=node("growthlab.networks.losses.base.Loss")),
    node(SASREC, loss=node("growthlab.networks.losses.gbce.gbce")),
    node(BLEND, members={"a": node("os.system", _partial_=True), "b": node(KNN, _partial_=True)}),
    node(BLEND, members={"a": node(SCRIPT, _partial_=True, source_code=TOUCH)}),
    node(BLEND, members={"a": node(KNN, _partial_="yes")}),
    node(HURDLE, buys=RUNS, spends=node(SVR)),
    node(HURDLE, buys=node(LOGISTIC), spends=node(KNN)),
    node(HURDLE, buys=node(SVR), spends=node(SVR)),
    pipeline(RUNS),
    pipeline(node("sklearn.pipeline.make_pipeline"), node(LOGISTIC)),
    pipeline(FILES, node(LOGISTIC)),
    pipeline(node(LOGISTIC), memory="cache"),
    pipeline(node("sklearn.preprocessing.StandardScaler")),
    node(BAGGING, estimator=pipeline(node(LOGISTIC), memory="elsewhere")),
    node(BAGGING, estimator=node(KNN)),
    node(BAGGING, estimator=node(LOGISTIC, _partial_=True)),
    {**GRID, "param_grid": {"C": [1]}, "pre_dispatch": "__import__('os')"},
    {**GRID, "param_grid": {"C": [node("os.system")]}},
    node("sklearn.calibration.CalibratedClassifierCV", estimator=node("joblib.Memory")),
    node("sklearn.ensemble.RandomForestClassifier", n_jobs=100_000),
    {**GRID, "param_grid": {"C": [1]}, "n_jobs": 100_000},
    node("lightgbm.LGBMClassifier", n_jobs=100_000),
    node("lightgbm.LGBMClassifier", forcedsplits_filename="/etc/passwd"),
    node("lightgbm.LGBMClassifier", machines="10.0.0.1:80", num_machines=2),
    node("lightgbm.LGBMClassifier", output_model="marker"),
    node("lightgbm.LGBMRegressor", objective=node("os.system")),
    node("lightgbm.LGBMRegressor", config="marker", snapshot_freq=1),
    # what scikit-learn's searches set later, and texts that LightGBM reads as more settings
    {**GRID, "param_grid": {"memory": ["folder"]}},
    {**GRID, "param_grid": [{"C": [1]}, {"model__memory": ["folder"]}]},
    {**GRID, "estimator": pipeline(node(LOGISTIC)), "param_grid": {"memory": ["folder"]}},
    {**GRID, "estimator": pipeline(node(LOGISTIC)), "param_grid": {"step0__memory": ["folder"]}},
    {**GRID, "estimator": node(LGBM), "param_grid": {"forcedsplits_filename": ["/etc/passwd"]}},
    {**GRID, "estimator": node(LGBM), "param_grid": {"metric": ["auc machines=10.0.0.1:80"]}},
    node(RANDOM_GRID, estimator=node(LGBM), param_distributions={"machines": ["x"]}),
    node(LGBM, data_sample_strategy="bagging forcedsplits_filename=split.json"),
    node(LGBM, monotone_constraints=["1\tmachines=x"]),
    node(LGBM, metric={"a=b": 1}),
    # arguments that only the constructor refuses
    {"_target_": PIPELINE, "steps": [["a"]]},
    {"_target_": PIPELINE, "steps": 5},
    # Hydra's own keys
    node(KNN, _args_=[TOUCH]),
    node(KNN, _recursive_=False, event_weights={"a": node("os.system")}),
    node(KNN, _convert_="none"),
    node(KNN, _partial_=True),
    node(LOGISTIC, _partial_=True),
    {"_partial_": True},
]


@pytest.fixture
def without_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Nothing is written, and no module is imported but ours and those of estimators."""
    monkeypatch.chdir(tmp_path)
    assert blend, sasrec  # torch and LightGBM are there before, which import much
    before = set(sys.modules)
    yield
    assert list(tmp_path.iterdir()) == []
    hostile = {
        "sklearn.utils._testing",
        "sklearn.datasets",
        "pty",
        "webbrowser",
        "torch.hub",
        "code",
    }
    assert not (set(sys.modules) - before) & hostile


@pytest.mark.usefixtures("without_effect")
@pytest.mark.parametrize("target", [*TARGETS, *ODD_TARGETS], ids=lambda target: ascii(target)[:60])
def test_a_target_that_fulfils_no_contract_is_refused(target: Any) -> None:
    refuse({"_target_": target})


@pytest.mark.usefixtures("without_effect")
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: ascii(target)[:60])
def test_it_is_refused_inside_of_what_is_allowed_too(target: str) -> None:
    if target not in ("sklearn.preprocessing.StandardScaler", "sklearn.cluster.KMeans"):
        refuse(pipeline(node(target), node(LOGISTIC)))
    refuse(node(SASREC, loss=node(target)))
    refuse(node(BLEND, members={"one": node(target, _partial_=True)}))
    refuse(node(KNN, event_weights=[[{"deep": node(target)}]]))


@pytest.mark.usefixtures("without_effect")
@pytest.mark.parametrize("config", SETTINGS, ids=lambda config: ascii(config)[:80])
def test_a_setting_that_reaches_beyond_the_model_is_refused(config: dict[str, Any]) -> None:
    refuse(config)


def test_a_search_over_the_settings_of_what_is_inside_is_built() -> None:
    inside = pipeline(node("sklearn.preprocessing.StandardScaler"), node(LOGISTIC))
    config = {**GRID, "estimator": inside, "param_grid": {"step1__C": [0.1, 1.0]}, "cv": 3}
    assert build(config, SklearnClassifier, "model").param_grid == {"step1__C": [0.1, 1.0]}
    trees = {**GRID, "estimator": node(LGBM), "param_grid": {"num_leaves": [7], "max_bin": [63]}}
    assert build(trees, SklearnClassifier, "model").cv is None


def test_nodes_inside_nodes_have_a_bound() -> None:
    config = node(LOGISTIC)
    for _ in range(40):
        config = node(BAGGING, estimator=config)
    refuse(config)


def test_nothing_is_made_before_all_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    monkeypatch.setattr(Pipeline, "__init__", lambda self, steps: made.append(self))
    refuse(pipeline(pipeline(node(LOGISTIC)), node("os.system")))
    assert made == []


def test_every_public_classifier_and_regressor_of_scikit_learn_can_be_named() -> None:
    named = 0
    for name, estimator in all_estimators(type_filter=["classifier", "regressor"]):
        public = ".".join(estimator.__module__.split(".")[:2])
        assert library_class(f"{public}.{name}") is estimator
        named += 1
    assert named > 80


def test_a_pipeline_of_estimators_is_built() -> None:
    scale = node("sklearn.preprocessing.StandardScaler")
    config = pipeline(scale, node(LOGISTIC, C=2.0))
    built = build(config, SklearnClassifier, "model")
    assert built.steps[1][1].C == 2.0
    with pytest.raises(ConfigError, match="cannot be used here: possible are regressors of"):
        build(config, SklearnRegressor, "model")


def refuse(config: Any) -> None:
    """The config is refused in one line of bounded length."""
    with pytest.raises(ConfigError) as caught:
        build(config, KIND, "model")
    line = str(caught.value)
    assert "\n" not in line
    assert line.isprintable()
    assert len(line) < 1_500
