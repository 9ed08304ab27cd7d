"""A bundle answers as the laboratory would, and refuses what is not as it was written."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from growthlab.bundle.answers import RecommendRequest
from growthlab.bundle.bundle import Bundle
from growthlab.bundle.manifest import Manifest, Provenance, manifest_text
from growthlab.core.errors import BundleError, ExportError
from growthlab.core.histories import Histories
from growthlab.export.write_bundle import write_recommender
from growthlab.tasks.top_n import TopN

LISTS = asdict(TopN.answer)
ANNA = "anna.schmidt@example.org"


def edit_manifest(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    content = json.loads(path.read_text()) | changes
    path.write_text(manifest_text(content))


def test_known_user_gets_the_items_of_like_minded_people(folder: Path) -> None:
    (answer,) = Bundle.load(folder).recommend([RecommendRequest(ANNA, filter_seen="purchased")], 1)
    assert answer.served == "known"
    # Bert, the only other buyer of tea and lemon with something else, also has a cup.
    assert [item.item for item in answer.items] == ["cup"]
    assert answer.items[0].rank == 1


def test_history_of_the_request_is_folded_in_and_unknown_items_are_counted(folder: Path) -> None:
    request = RecommendRequest(history=["coffee", "no such item"], filter_seen="purchased")
    (answer,) = Bundle.load(folder).recommend([request], 1)
    assert (answer.served, answer.n_unknown_items) == ("folded_in", 1)
    assert answer.items[0].item == "filter"


@pytest.mark.parametrize(
    "request_", [RecommendRequest(), RecommendRequest("stranger"), RecommendRequest(history=[])]
)
def test_a_request_for_nobody_gets_the_popular_items(
    folder: Path, request_: RecommendRequest
) -> None:
    (answer,) = Bundle.load(folder).recommend([request_], 6)
    assert answer.served == "popularity_fallback"
    assert [answer.items[0].item, answer.items[-1].item] == ["tea", "vase"]


def test_a_given_history_is_taken_instead_of_the_stored_one(folder: Path) -> None:
    request = RecommendRequest(ANNA, history=["coffee"], filter_seen="purchased")
    (answer,) = Bundle.load(folder).recommend([request], 1)
    assert (answer.served, answer.items[0].item) == ("folded_in", "filter")


def test_excluded_items_are_never_listed(folder: Path) -> None:
    bundle = Bundle.load(folder)
    everything = bundle.list_maker.catalogue.item_ids.tolist()  # type: ignore[union-attr]
    for request in (
        RecommendRequest(ANNA, exclude=["tea", "?"]),
        RecommendRequest(exclude=["tea"]),
    ):
        listed = {i.item for i in bundle.recommend([request], 10)[0].items}
        assert listed == set(everything) - {"tea"}
    (nothing,) = bundle.recommend([RecommendRequest(exclude=everything)], 3)
    assert nothing.items == []


def test_answers_stand_in_the_order_of_the_requests(folder: Path) -> None:
    bundle = Bundle.load(folder)
    requests = [
        RecommendRequest(),
        RecommendRequest(ANNA),
        RecommendRequest(history=["coffee"]),
        RecommendRequest("bert.jones@example.org", filter_seen="interacted"),
    ]
    assert bundle.recommend(requests, 4) == [bundle.recommend([r], 4)[0] for r in requests]
    assert bundle.recommend([], 4) == []


def test_absurd_requests_are_refused(folder: Path) -> None:
    bundle = Bundle.load(folder)
    with pytest.raises(BundleError, match="k must be at least 1, got 0"):
        bundle.recommend([RecommendRequest()], 0)
    with pytest.raises(BundleError, match="filter_seen=purchasd: did you mean purchased"):
        bundle.recommend([RecommendRequest(filter_seen="purchasd")])
    with pytest.raises(
        BundleError, match="answers top_n with lists of items, not a number for each customer"
    ):
        bundle.predict([])


def test_no_raw_user_id_is_anywhere_in_the_bundle(folder: Path, corner_shop: Histories) -> None:
    content = b""
    for path in folder.rglob("*"):
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                content += b"".join(arrays[name].tobytes() for name in arrays.files)
        elif path.is_file():
            content += path.read_bytes()
    assert "tea".encode("utf-32-le") in content  # the search below would find what is there
    for user in corner_shop.user_ids.tolist():
        assert user.encode() not in content
        assert user.encode("utf-32-le") not in content


def test_manifest_and_card_tell_where_the_model_comes_from(folder: Path) -> None:
    manifest = Manifest.read(folder)
    assert (manifest.kind, manifest.seed, manifest.history_events) == (
        "item_weights",
        3,
        ("purchase",),
    )
    assert manifest.metrics["ndcg_at_10"] == {"value": 0.25, "low": 0.2, "high": None}
    assert set(manifest.files) == {
        "catalogue.npz",
        "fallback.npz",
        "model.npz",
        "model_card.md",
        "reference.npz",
        "request.json",
        "state/histories.npz",
    }
    card = (folder / "model_card.md").read_text()
    for message in (
        "ndcg_at_10 | 0.25",
        "0.125",
        "2024-03-01",
        "ab" * 32,
        "Known users: 5",
        "/recommend",
    ):
        assert message in card


def test_example_request_works(folder: Path) -> None:
    example = json.loads((folder / "request.json").read_text())
    (answer,) = Bundle.load(folder).recommend([RecommendRequest(history=example["history"])])
    assert answer.served == "folded_in"


@pytest.mark.parametrize("name", ["model.npz", "state/histories.npz", "model_card.md"])
def test_a_changed_file_is_refused(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(BundleError, match=rf"{name} is corrupted: its checksum"):
        Bundle.load(folder)


def test_a_missing_or_extra_file_is_refused(folder: Path) -> None:
    (folder / "extra.txt").write_text("")
    with pytest.raises(BundleError, match=r"extra\.txt does not belong to the bundle"):
        Bundle.load(folder)
    (folder / "extra.txt").unlink()
    (folder / "fallback.npz").unlink()
    with pytest.raises(BundleError, match=r"fallback\.npz is missing from the bundle"):
        Bundle.load(folder, verify=False)


def test_a_truncated_file_is_refused_without_checksums_too(folder: Path) -> None:
    content = (folder / "model.npz").read_bytes()[:100]
    (folder / "model.npz").write_bytes(content)
    with pytest.raises(BundleError, match=r"model\.npz is corrupted"):
        Bundle.load(folder, verify=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_version": 4}, "is a bundle of schema 4, growthlab .* reads up to 3"),
        ({"schema_version": "x"}, r"manifest\.json is corrupted"),
        ({"tie_seed": "x"}, "tie_seed is 'x'"),
        ({"kind": "os.system"}, "no scorer of the kind 'os.system'"),
        ({"kind": "popularity"}, "needs 'item_scores', which is missing"),
        (
            {"task": "weather", "schema_version": 1},
            "schema 1 has no task 'weather', only top_n, churn, value",
        ),
        ({"answer": {"kind": "map"}}, r"manifest\.json is corrupted: .*missing 4 required"),
        ({"answer": LISTS | {"summary": 3}}, "answer is {'kind': 'list'"),
        (
            {"answer": LISTS | {"kind": "map"}},
            "'map' is no kind of answer: possible: amount, arm, effect",
        ),
        ({"answer": LISTS | {"endpoint": "a/b"}}, "answer.endpoint must be a name .* got 'a/b'"),
        ({"answer": LISTS | {"field": "x"}}, "answer.field must be empty for lists of items"),
        ({"files": None}, r"manifest\.json is corrupted: files is None"),
        ({"seed": "3"}, r"manifest\.json is corrupted: seed is '3'"),
        ({"files": {"../../etc/passwd": {}}}, "files is {'../../etc/passwd'"),
        ({"files": {"/etc/passwd": {"sha256": "0" * 64, "size": 1}}}, "files is {'/etc/passwd'"),
        ({"files": {"model.npz": {"sha256": "0" * 64}}}, "files is {'model.npz'"),
        ({"files": {"model.npz": {"sha256": "0" * 64, "size": -1}}}, "files is {'model.npz'"),
        ({"seed": 2**63}, "seed is 9223372036854775808"),
        ({"tie_seed": True}, "tie_seed is True"),
        ({"horizon_days": -1}, "horizon_days is -1"),
        ({"horizon_days": 1e400}, "it is no JSON|Infinity is no JSON"),
        ({"cutoff": "yesterday"}, "cutoff is 'yesterday'"),
        ({"filter_seen": "all"}, "filter_seen is 'all'"),
        ({"counts": {"n_items": -3}}, "counts is {'n_items': -3}"),
        ({"model": "x" * 30_000}, "model is 'xxx"),
        ({"earlier": {"a": 3}}, "earlier is {'a': 3}"),
        ({"key_fingerprint": "zz"}, "key_fingerprint is 'zz'"),
        ({"versions": ["1"]}, r"versions is \['1'\]"),
        ({"index": {"probes": [3]}}, "index is {'probes'"),
        ({"something": 1}, "it has no 'something'"),
    ],
)
def test_a_wrong_manifest_is_refused_in_one_line(
    folder: Path, changes: dict[str, object], message: str
) -> None:
    edit_manifest(folder, **changes)
    with pytest.raises(BundleError, match=message) as caught:
        Bundle.load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["data_digest", "seal"])
def test_a_manifest_that_was_changed_after_it_was_written_is_refused(
    folder: Path, name: str
) -> None:
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {name: "0" * 64}))
    with pytest.raises(BundleError, match=r"manifest\.json is corrupted: it was changed after"):
        Bundle.load(folder)


def test_what_is_no_bundle_is_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(BundleError, match=r"nowhere is no bundle: it has no manifest\.json"):
        Bundle.load(tmp_path / "nowhere")
    (folder / "manifest.json").write_text("{")
    with pytest.raises(BundleError, match=r"manifest\.json is corrupted"):
        Bundle.load(folder)
    (folder / "manifest.json").write_text('{"schema_version": 1}')
    with pytest.raises(BundleError, match=r"manifest\.json is corrupted: it was changed after"):
        Bundle.load(folder)


def test_another_key_cannot_look_up_known_users_and_says_so(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("GROWTHLAB_PSEUDONYM_KEY", "another key of at least thirty-two bytes")
    with caplog.at_level(logging.WARNING):
        bundle = Bundle.load(folder)
    assert bundle.no_lookup.startswith("known users cannot be looked up: the key here is")
    assert [r.message for r in caplog.records] == [bundle.no_lookup]
    assert bundle.recommend([RecommendRequest(ANNA)])[0].served == "popularity_fallback"
    monkeypatch.delenv("GROWTHLAB_PSEUDONYM_KEY")
    monkeypatch.setenv("GROWTHLAB_KEY_FILE", str(tmp_path / "none"))
    assert "there is no pseudonym key here" in Bundle.load(folder).no_lookup
    assert not (tmp_path / "none").exists()


def test_an_existing_folder_is_kept_without_overwrite(
    folder: Path, corner_shop: Histories, popularity: np.ndarray, provenance: Provenance
) -> None:
    scorer = Bundle.load(folder).list_maker.scorer  # type: ignore[union-attr]

    def write(where: Path, overwrite: bool) -> None:
        write_recommender(
            where,
            scorer,
            provenance,
            histories=corner_shop,
            fallback=popularity,
            overwrite=overwrite,
        )

    with pytest.raises(ExportError, match="exists already: name another folder"):
        write(folder, overwrite=False)
    write(folder, overwrite=True)
    assert Bundle.load(folder).recommend([RecommendRequest(ANNA)])[0].served == "known"
    assert [p.name for p in folder.parent.iterdir() if p.name.startswith(".")] == []
    (folder / "manifest.json").unlink()
    with pytest.raises(ExportError, match="is no bundle and is not overwritten"):
        write(folder, overwrite=True)


def test_a_model_without_a_scorer_is_not_exported(
    tmp_path: Path, corner_shop: Histories, popularity: np.ndarray, provenance: Provenance
) -> None:
    with pytest.raises(ExportError, match="item_knn cannot be exported: it has no scorer"):
        write_recommender(
            tmp_path / "none", None, provenance, histories=corner_shop, fallback=popularity
        )
    assert not (tmp_path / "none").exists()


def test_a_failed_export_leaves_nothing_behind(
    tmp_path: Path, corner_shop: Histories, popularity: np.ndarray, provenance: Provenance
) -> None:
    class Pickled:
        kind = "popularity"

        def to_arrays(self) -> dict[str, np.ndarray]:
            return {"item_scores": np.array([None])}

        def to_files(self) -> dict[str, bytes]:
            return {}

    target = tmp_path / "out" / "bundle"
    with pytest.raises(ExportError, match="cannot hold item_scores: it is an array of Python"):
        write_recommender(
            target,
            Pickled(),  # type: ignore[arg-type]
            provenance,
            histories=corner_shop,
            fallback=popularity,
        )
    assert list(target.parent.iterdir()) == []


def test_loading_a_bundle_imports_nothing_of_the_laboratory(folder: Path) -> None:
    code = (
        "import sys; from growthlab.bundle.bundle import Bundle, RecommendRequest;"
        f"Bundle.load({str(folder)!r}).recommend([RecommendRequest()]);"
        "heavy = {'torch', 'mlflow', 'hydra', 'pandas', 'duckdb', 'sklearn', 'pyarrow'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
