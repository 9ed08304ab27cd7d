"""Each mistake in the input is one clear line and exit status 2, and nothing is left behind."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
from tests.cli.conftest import ORDERS, SHOP, Workspace

from growthlab.cli.main import main

WORDS = [
    ("trian", "unknown command trian: did you mean train?"),
    (
        "train --foo",
        "unknown option --foo: possible are --help, --quiet, --verbose, --cfg job and -m",
    ),
    ("train --cfg hydra", "--cfg shows the composed config: write --cfg job"),
    ("train foo", "cannot read 'foo': settings have the form key=value"),
    ("train =3", "cannot read '=3': settings have the form key=value"),
    ("train modle=x", "unknown setting modle: did you mean model?"),
    ("train task=chrun", "task=chrun: did you mean churn?"),
    ("train model=item_knn", "model=item_knn: did you mean recommend/item_knn?"),
    ("train model=", "model=: possible: best_arm/dr_learner, "),
    ("train split=globaltime", "split=globaltime: did you mean global_time?"),
    ("prepare data=online_retial", "data=online_retial: did you mean online_retail?"),
    ("prepare data=x", "data=x: possible: amazon_2014_beauty, "),
    ("train model.neighbors=3", "unknown setting model.neighbors: did you mean model.neighbours?"),
    ("train neighbours=3", "unknown setting neighbours: did you mean model.neighbours?"),
    ("train cutoff=2025-03-01", "unknown setting cutoff: did you mean split.cutoff?"),
    (
        "train model=recommend/gru4rec model.trainer.epoch=3",
        "unknown setting model.trainer.epoch: did you mean model.trainer.epochs?",
    ),
    (
        "train model=recommend/gru4rec trainer.epochs=3",
        "unknown setting trainer: did you mean model.trainer.epochs?",
    ),
    (
        "train model=recommend/gru4rec model.lr=3",
        "unknown setting model.lr: did you mean model.trainer.lr?",
    ),
    (
        "train model=recommend/gru4rec loss@model.loss=gbcee",
        "loss@model.loss=gbcee: did you mean gbce?",
    ),
    (
        "train model=recommend/gru4rec losss@model.loss=gbce",
        "losss@model.loss=gbce: no group losss: did you",
    ),
    (
        "train model=recommend/gru4rec loss=gbce",
        "unknown setting loss=gbce: did you mean loss@model.loss=gbce?",
    ),
    (
        "train model=recommend/gru4rec loss@model.loss=gbce model.loss.negativs=2",
        "unknown setting model.loss.negativs: did you mean model.loss.negatives?",
    ),
    (
        "train model=recommend/gru4rec model.loss.negatives=2",
        "unknown setting model.loss.negatives: possible: model.loss.precision",
    ),
    (
        "train model=recommend/gru4rec model.loss=gbce",
        "model.loss must be a loss, got 'gbce': loss@model.",
    ),
    ("train metrics.ndgc.k=[5]", "unknown setting metrics.ndgc: did you mean metrics.ndcg?"),
    (
        "train metrics.ndcg.j=[5]",
        "unknown setting metrics.ndcg.j: possible: metrics.ndcg.k, metrics.ndcg.leaderboard",
    ),
    ("train metrics=[ranking/ndgc]", "metrics=ranking/ndgc: did you mean ranking/ndcg"),
    ("train data.faults.bot=1", "unknown setting data.faults.bot: did you mean data.faults.bots?"),
    (
        "train -m seed=0,1 model.neigbours=3",
        "unknown setting model.neigbours: did you mean model.neighbours?",
    ),
    (
        "train -m model=recommend/item_knn,recommend/itemknn",
        "model=recommend/itemknn: did you mean recommend/item_knn",
    ),
    ("train seed=0,1", "seed=0,1 is a grid: add -m"),
    ("train seed=abc", "seed must be a whole number, got 'abc'"),
    ("train seed=-1", "seed must be at least 0, got -1"),
    ("train refit=maybe", "refit must be true or false, got 'maybe'"),
    ("train device=gpu", "device=gpu: possible: auto, cpu, cuda, cuda:0"),
    ("train model.neighbours=abc", "model.neighbours must be a whole number or null, got 'abc'"),
    ("train model.neighbours=1.5", "model.neighbours must be a whole number or null, got 1.5"),
    ("train model.neighbours=-1", "model: neighbours must be 1 or more, or null for all, got -1"),
    ("train model.normalize=3", "model.normalize must be true or false, got 3"),
    (
        "train model=recommend/gru4rec model.trainer.lr=fast",
        "model.trainer.lr must be a number, got 'fast'",
    ),
    (
        "train model=recommend/gru4rec model.trainer.lr=-1",
        "model.trainer.lr must be positive, got -1",
    ),
    (
        "train task=churn model=churn/lightgbm model.n_estimators=abc",
        "model.n_estimators must be a whole number, got 'abc'",
    ),
    (
        "train task=churn model=churn/logistic model.C=-1",
        "model: The 'C' parameter of LogisticRegression must be a float in the range",
    ),
    ("train metrics.ndcg.k=abc", "metrics.ndcg.k must be a list such as [a, b], got 'abc'"),
    ("train metrics.ndcg.k=[0]", "metrics.ndcg: k of ndcg must be whole numbers from 1, got [0]"),
    ("train metrics=[]", "metrics=[] leaves nothing to evaluate a model by"),
    (
        "train task=churn metrics=[ranking/ndcg]",
        "metrics.ndcg is not a metric of task=churn: it takes those of the family binary",
    ),
    ("train data.users=abc", "data.users must be a whole number, got 'abc'"),
    ("train data.users=0", "data.users must be at least 1, got 0"),
    (
        "train task=churn model=recommend/item_knn",
        "model=recommend/item_knn is not a model of task=churn: it takes models of the family churn",
    ),
    ("train task.filter_seen=all", "task.filter_seen=all: possible: interacted, none, purchased"),
    ("train task.list_length=0", "task.list_length must be at least 1, got 0"),
    ("train split.cutoff=hello", "split.cutoff must be a date or time like 2025-06-01, got hello"),
    ("train split.horizon_days=0", "split.horizon_days must be positive"),
    (
        "train task.objective=ndgc_at_10",
        "task.objective=ndgc_at_10 is not among the metrics: did you mean ndcg_at_10",
    ),
    ("train task=value task.objective=mae", "task.objective=mae needs task.maximise=false"),
    ("train tags.part=x", "unknown setting tags.part: +tags.part=x adds it"),
    ("train tags=autumn", "tags=autumn is a group of settings: give +tags.NAME=..."),
    ("train task.memory_mb=0", "task.memory_mb must be positive, got 0"),
    ("train model=recommend/gru4rec model.loss=null", "model.loss must be a loss, got None: loss@"),
    ("train experiment=autumn", "experiment=autumn: possible: demo"),
    ("train model=null", "model=null: possible: best_arm/dr_learner, "),
    (
        "train model=recommend/sasrec content@model.content=null",
        "content@model.content=null: possible: sentences, tf_idf, tf_idf_svd; ~content@model.content",
    ),
    (
        "train model=recommend/sasrec ~content@model.content model.widht=8",
        "unknown setting model.widht: did you mean model.width?",
    ),
    (
        "train model=recommend/blend loss@model.members.gru4rec.loss=gbce",
        "loss@model.members.gru4rec.loss=gbce: settings of a member can be given, but its parts",
    ),
    (
        "train model=recommend/sasrec model.content=tf_idf_svd",
        "model.content must be item content, got 'tf_idf_svd': content@model.content=tf_idf_svd",
    ),
    (
        "train model=recommend/content model.content.components=0",
        "model.content.components must be at least 1, or null for terms, got 0",
    ),
    ("compare rerun=abc", "rerun=abc is about one run of one model: growthlab train rerun=abc"),
    ("train rerun=abc", "rerun=abc: there is no MLflow store sqlite:///mlflow.db"),
    ("train rerun=abc seed=3", "seed=3: rerun=abc has all its settings from the logged config"),
    (
        "compare model=recommend/item_knn",
        "model=recommend/item_knn: a comparison takes models=[item_knn]",
    ),
    (
        "compare models=[itemknn]",
        "models: itemknn is not a model of recommend: did you mean item_knn",
    ),
    ("compare models=item_knn", "models=item_knn: give all, or a list such as ["),
    ("compare models=[]", "models=[] compares nothing: possible are "),
    ("compare models=[markov,markov]", "models: markov is named 2 times"),
    (
        "compare task=churn models=[recommend/item_knn]",
        "models: recommend/item_knn is not a model of churn: possible: bg_nbd",
    ),
    (
        "compare models=[item_knn,popularity] model.neigbours=3",
        "none of the models has a setting neigbours: did you mean model.neighbours?",
    ),
    ("compare seeds=0", "seeds must be at least 1, got 0"),
    ("train intervals.resamples=-1", "intervals.resamples must be at least 0, got -1"),
    ("compare seeds=a", "seeds must be a whole number, got 'a'"),
    ("compare origins=0", "origins must be at least 1, got 0"),
    ("tune budget.trials=0", "budget.trials must be at least 1, got 0"),
    ("tune budget.trial=3", "unknown setting budget.trial: did you mean budget.trials?"),
    ("tune budget.minutes=abc", "budget.minutes must be a positive number or null, got abc"),
    (
        "tune model=recommend/item_knn search=recommend/gru4rec",
        "search.width: the model has no setting width: possible: model.asymmetry",
    ),
    ("export", "nothing to export: run growthlab compare first"),
    ("export to=.", "nothing to export: run growthlab compare first"),
    ("recommend", "bundle is required: add bundle=..."),
    ("recommend bundle=x input=a.csv output=o.csv", "x is no bundle: it has no manifest.json"),
    ("recommend bundle=x input=a output=o k=0", "k must be at least 1, got 0"),
    ("score bundle=x input=a.csv output=o.csv", "x is no bundle: it has no manifest.json"),
    ("serve", "bundle is required: add bundle=..."),
    ("serve bundle=x", "x is no bundle: it has no manifest.json"),
    ("serve bundle=x port=abc", "port must be a whole number, got 'abc'"),
]


@pytest.mark.parametrize(("words", "line"), WORDS, ids=[w for w, _ in WORDS])
def test_mistyped_words_are_one_line(
    words: str, line: str, fresh: Workspace, empty: Callable[[], list[str]]
) -> None:
    assert fresh.growthlab(*words.split()).mistake.startswith(line)
    assert empty() == []


COLUMNS = (
    "data=tabular_file data.path=orders.csv data.columns.user_id=customer "
    "data.columns.item_id=product data.columns.timestamp=time data.event_type=purchase"
)
ROWS = "customer,product,time\nann,tea,2024-01-01\nbob,cup,2024-01-05\n"
FILES = [
    ("data=online_retail data.path=no.csv", ROWS, "data.path=no.csv: there is no such file"),
    (
        COLUMNS.replace("=customer", "=custmer"),
        ROWS,
        "orders.csv has no column 'custmer' (for user_id): did you mean customer?",
    ),
    (
        f"{COLUMNS} data.columns.rating=stars",
        ROWS,
        "orders.csv has no column 'stars' (for rating): possible: customer, product, time",
    ),
    (
        COLUMNS,
        ROWS + "cem,tea,2024-13-45\n",
        "orders.csv: row 3: timestamp '2024-13-45' is not an ISO 8601 time",
    ),
    (COLUMNS, "customer,product,time\n", "orders.csv has no rows below its header"),
    (
        f"{COLUMNS} data.cleaning.until=2023-01-01",
        ROWS,
        "no event of orders is left after the cleaning rule 'future dates', which dropped the last 2",
    ),
    (COLUMNS, ROWS, "a cutoff at 2023-12-08 00:00:01 with a horizon of 28 days leaves no past"),
]


@pytest.mark.parametrize(("words", "content", "line"), FILES)
def test_input_files_with_mistakes_are_one_line(
    words: str, content: str, line: str, fresh: Workspace, empty: Callable[[], list[str]]
) -> None:
    (fresh.folder / "orders.csv").write_text(content)
    assert fresh.growthlab("train", *words.split()).mistake.startswith(line)
    assert empty() == ["orders.csv"]


def test_what_is_possible_names_nothing_of_hydra(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", "xyzzy=3"]) == 2
    said = capsys.readouterr().err
    assert "unknown setting xyzzy: possible: " in said
    assert "hydra" not in said


def test_a_task_that_needs_missing_columns_is_one_line(orders: Workspace) -> None:
    done = orders.growthlab("train", "task=value", *ORDERS)
    assert "unit_price" in done.mistake


def test_a_model_that_needs_missing_columns_is_one_line(orders: Workspace) -> None:
    done = orders.growthlab("train", "model=recommend/content", *ORDERS)
    assert done.mistake.startswith("content needs items with text, category, attributes")


def test_a_split_without_test_users_is_one_line(workspace: Workspace) -> None:
    done = workspace.growthlab("train", *SHOP, "split.cutoff=2035-01-01")
    assert "leaves no validation window and no test users" in done.mistake


def test_too_many_origins_for_the_log_are_one_line(workspace: Workspace) -> None:
    done = workspace.growthlab("compare", *SHOP, "models=[popularity]", "origins=5")
    assert "or fewer origins" in done.mistake


def test_target_events_that_do_not_occur_are_one_line(workspace: Workspace) -> None:
    done = workspace.growthlab("train", *SHOP, "task.target_events=[message]")
    assert done.mistake.startswith("no test users: there are no events of the types 'message'")


def test_a_store_without_a_server_fails_at_once(workspace: Workspace) -> None:
    with socket.socket() as taken:  # bound, but not listening
        taken.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{taken.getsockname()[1]}"
        done = workspace.growthlab("train", *SHOP, "tracking=server", f"tracking.uri={uri}")
    assert done.mistake.startswith(f"the MLflow store {uri} cannot be opened")


def test_an_unknown_kind_of_store_is_one_line(workspace: Workspace) -> None:
    done = workspace.growthlab("train", *SHOP, "tracking.uri=foo://bar")
    assert done.mistake.startswith("the MLflow store foo://bar cannot be opened")


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("tracking.uri=sqlite:///{}/x.db", "the MLflow store sqlite:///{}/x.db cannot be opened"),
        ("tracking.artifacts={}/x", "tracking.artifacts={}/x cannot be written"),
        ("cache={}/x", "cache={}/x cannot be written"),
    ],
)
def test_unwritable_locations_are_one_line(word: str, line: str, fresh: Workspace) -> None:
    blocked = fresh.folder / "file"  # a file in place of a folder, which stops root too
    blocked.write_text("")
    done = fresh.growthlab("train", *SHOP, "model=recommend/popularity", word.format(blocked))
    assert done.mistake.startswith(line.format(blocked))


def test_mistakes_in_the_users_own_conf_folder_are_one_line(fresh: Workspace) -> None:
    own = fresh.folder / "conf" / "model" / "recommend" / "mine.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("# @package model\n_target_: os.system\ncommand: echo hello\n")
    done = fresh.growthlab("train", *SHOP, "model=recommend/mine")
    assert done.mistake == (
        "model._target_=os.system cannot be used here: possible are classes that fulfil "
        "Recommender in growthlab.models"
    )
    assert "mine" in fresh.growthlab("train", "model=recommend/mien").mistake


@pytest.mark.parametrize(("rank", "status", "said"), [("0", 2, 1), ("1", 0, 0)])
def test_a_command_that_torchrun_starts_says_once_how_to_do_without(
    rank: str,
    status: int,
    said: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("LOCAL_RANK", rank)
    assert main(["train", "model=recommend/sasrec"]) == status
    assert capsys.readouterr().err.count("as many processes as model.trainer.processes=2") == said
