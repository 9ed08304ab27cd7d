"""The bundle that the gate judges is the one that is promoted, with its index."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import SHOP, Snapshot, Workspace
from tests.cli.test_promote import LENIENT, TOP_N, champion, promote, run_of

from growthlab.bundle.answers import RecommendRequest
from growthlab.bundle.bundle import Bundle
from growthlab.config.compose import compose
from growthlab.export import sign_and_index
from growthlab.export.build_item_index import add_index
from growthlab.export.parity import sample_of_ids, share_of_exact_lists, without_index
from growthlab.pages.text_table import format_number
from growthlab.registry.download import bundle_of

pytest.importorskip("faiss", reason="the index needs growthlab[ann]")


@pytest.fixture(scope="session")
def after_training(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """A folder with one ALS run and an empty registry."""
    shop = Workspace(tmp_path_factory.mktemp("indexed"))
    words = ("task=top_n", "model=recommend/als", "metrics=[ranking/ndcg]", *SHOP)
    done = shop.growthlab("train", *words)
    assert done.status == 0, done.err
    return Snapshot.take(shop, tmp_path_factory.mktemp("after_training"))


@pytest.fixture
def trained(after_training: Snapshot) -> Workspace:
    """The folder as after the training, whatever other tests did in it."""
    return after_training.restore()


def line_of(report: str, words: str) -> str:
    """The one line of a report that contains the words."""
    (line,) = [line for line in report.splitlines() if words in line]
    return line


def registered(shop: Workspace, version: str, folder: Path) -> Bundle:
    """The bundle of a version, downloaded to the folder."""
    uri = f"sqlite:///{shop.folder}/mlflow.db"
    return bundle_of(shop.client.get_model_version(TOP_N, version), folder, uri=uri)


def megabytes(folder: Path) -> float:
    return float(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 2**20)


def test_the_registered_bundle_is_judged_so_a_poor_index_is_refused(
    trained: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained.runs("top_n", kind="model", model="als")[0]
    # the index searches parts of the catalogue until it finds six of ten items
    with monkeypatch.context() as patch:
        patch.setattr(sign_and_index, "add_index", partial(add_index, recall=0.6))
        words = (f"run={run.info.run_id}", "to=poor", "index_above=10", *LENIENT)
        done = trained.growthlab("export", "task=top_n", *words)
    assert done.status == 0, done.err
    assert "(challenger, and no champion: index_recall (" in done.out
    assert champion(trained, TOP_N) is None

    bundle = registered(trained, "1", tmp_path)
    index: Any = bundle.manifest.index
    assert 0.6 <= index["recall_at_10"] < 0.9
    users = trained.table(run, "recommendations.parquet")["user_id"].unique()
    asked = [RecommendRequest(str(user)) for user in users]
    own, without = bundle.recommend(asked), without_index(bundle).recommend(asked)
    n_same = sum(
        [i.item for i in one.items] == [i.item for i in other.items]
        for one, other in zip(own, without, strict=True)
    )
    assert n_same < len(
        users
    )  # parity compares the exact lists, so it does not see what the index loses

    # promote itself would add no index to so few items
    shown = promote(trained, "top_n", run.info.run_id, "dry_run=true")
    assert shown.status == 1
    assert f"Bundle judged: `{bundle.manifest.version}`, of version 1 in the reg" in shown.out
    assert f"| pass | {len(users)} of {len(users)} answers" in line_of(shown.out, "export parity")
    probes = f"{index['probes']} of {index['lists']} parts of the catalogue searched"
    timed = sample_of_ids(users, 200)
    share = format_number(share_of_exact_lists(bundle, timed))
    about = f"{probes}; {share} of the exact lists of {len(timed)} customers"
    recall = line_of(shown.out, f"| index recall ({about}) ")
    assert f"| FAIL | {index['recall_at_10']:.4f} | at least 0.9500 |" in recall
    logged = run.data.metrics["bundle_mb"]
    size = megabytes(bundle.folder)
    assert size > 1.05 * logged
    assert f"| bundle mb | {size:.3f} |" in shown.out


def test_a_run_that_was_not_exported_is_judged_and_registered_with_its_index(
    trained: Workspace, tmp_path: Path
) -> None:
    run = run_of(trained, "top_n", "als")
    plain = promote(trained, "top_n", run, "dry_run=true").out
    exactly = line_of(plain, "| index recall (no index, lists are exact) |")
    assert "| pass | 1.0000 | at least 0.9500 |" in exactly
    assert ", of the run, to be registered on promotion" in plain

    done = promote(trained, "top_n", run, "index_above=10")
    assert done.status == 0, done.out + done.err
    version = trained.client.get_model_version_by_alias(TOP_N, "champion")
    bundle = registered(trained, str(version.version), tmp_path)
    index: Any = bundle.manifest.index
    assert (index["above"], index["recall_at_10"] >= 0.95) == (10, True)
    judged = version.tags["gate.bundle_version"]
    assert judged == version.tags["bundle_version"] == bundle.manifest.version


def test_export_and_promote_add_an_index_above_the_same_size() -> None:
    above = [compose(c, w).config.index_above for c, w in
             (("export", []), ("promote", ["challenger=any"]))]  # fmt: skip
    assert above[0] == above[1]
