"""A registered model comes to a folder as a whole, or the folder stays as it was."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from tests.new_stores import CopiedStores

from growthlab.bundle.bundle import HISTORIES, Bundle
from growthlab.bundle.manifest import Manifest, Provenance, checksums_of
from growthlab.cli.main import main
from growthlab.core.errors import BundleError, ConfigError
from growthlab.core.histories import Histories
from growthlab.core.storage_faults import storage_fault
from growthlab.export.write_bundle import write_recommender
from growthlab.models.recommend.item_knn import ItemKNN
from growthlab.registry.download import Fetched, fetch
from growthlab.registry.model_registry import register_bundle
from growthlab.training.fit_options import FitOptions


class Registry:
    """Bundles that are written and registered in a real store, under a name of the test's own."""

    def __init__(self, store: MlflowClient, folder: Path, make: Callable[[Path, int], Path]):
        self.client, self.folder, self.make = store, folder, make
        self.uri = store.tracking_uri
        self.artifacts = folder / "artifacts"
        where = self.artifacts.as_uri()
        experiment = store.create_experiment(folder.name, artifact_location=where)
        self.run_id = store.create_run(experiment).info.run_id
        self.name = f"{folder.name}-top_n"
        self.uri_of_champion = f"models:/{self.name}@champion"

    def champion(self, number: int) -> Manifest:
        """A bundle with so many neighbours, registered and made the champion."""
        bundle = self.make(self.folder / f"made{number}", number)
        registered = register_bundle(bundle, uri=self.uri, run_id=self.run_id, client=self.client)
        self.client.set_registered_model_alias(registered.name, "champion", registered.version)
        return Manifest.read(bundle)

    def fetch(self, folder: Path, model_uri: str | None = None) -> Fetched:
        """What was fetched."""
        model_uri = model_uri or self.uri_of_champion
        return fetch(model_uri, folder, uri=self.uri, client=self.client)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, copied_stores: CopiedStores) -> MlflowClient:
    """A store that the tests share."""
    uri = copied_stores.uri(tmp_path_factory.mktemp("mlflow"))
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@pytest.fixture
def registry(
    store: MlflowClient,
    tmp_path: Path,
    corner_shop: Histories,
    popularity: np.ndarray,
    provenance: Provenance,
) -> Registry:
    def make(folder: Path, neighbours: int) -> Path:
        scorer = ItemKNN(neighbours=neighbours).fit(corner_shop, FitOptions()).scorer()
        about = replace(provenance, data=tmp_path.name)
        return write_recommender(folder, scorer, about, histories=corner_shop, fallback=popularity)

    return Registry(store, tmp_path, make)


def left_beside(folder: Path) -> list[str]:
    """What a fetch left next to the folder."""
    return [p.name for p in folder.parent.iterdir() if p.name.startswith(".")]


def test_each_new_champion_takes_the_place_of_the_one_before(
    registry: Registry, tmp_path: Path
) -> None:
    folder = tmp_path / "bundles" / "top_n"
    first = registry.champion(1)
    assert registry.fetch(folder).changed
    assert Bundle.load(folder).manifest == first
    before = (folder / "manifest.json").stat()
    assert not registry.fetch(folder).changed
    assert (folder / "manifest.json").stat() == before
    second = registry.champion(2)
    fetched = registry.fetch(folder)
    assert (fetched.manifest, fetched.before, fetched.changed) == (second, first.version, True)
    assert Bundle.load(folder).manifest == second != first
    assert registry.fetch(folder, f"models:/{registry.name}/1").changed  # back again
    assert Bundle.load(folder).manifest == first
    assert left_beside(folder) == []


def test_newer_histories_of_the_same_model_stay(registry: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "top_n"
    manifest = registry.champion(1)
    registry.fetch(folder)
    with np.load(folder / HISTORIES) as stored:
        np.savez(folder / HISTORIES, **{n: stored[n] for n in stored.files})  # other bytes
    replace(manifest, files=checksums_of(folder)).write(folder)
    refreshed = Bundle.load(folder).manifest.version
    assert refreshed != manifest.version
    assert not registry.fetch(folder).changed
    assert Bundle.load(folder).manifest.version == refreshed
    registry.champion(2)
    assert registry.fetch(folder).changed


def test_the_exported_state_comes_back_with_overwrite(
    registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "top_n"
    exported = registry.champion(1)
    registry.fetch(folder)
    with np.load(folder / HISTORIES) as stored:
        np.savez(folder / HISTORIES, **{n: stored[n] for n in stored.files})  # other bytes
    there = replace(exported, files=checksums_of(folder), state_cutoff="2024-05-30T00:00:00")
    there.write(folder)
    words = ["fetch", f"model_uri={registry.uri_of_champion}", f"to={folder}"]
    words.append(f"tracking.uri={registry.uri}")
    assert main(words) == 0
    message = capsys.readouterr().out
    assert (
        "customers are known as of 2024-05-30T00:00:00 (growthlab refresh), which is kept"
        in message
    )
    assert "overwrite=true gives the exported state" in message
    assert Bundle.load(folder).manifest == there
    assert main([*words, "overwrite=true"]) == 0
    assert f"in place of {there.version}" in capsys.readouterr().out
    assert Bundle.load(folder).manifest == exported
    assert main([*words, "overwrite=true"]) == 0
    assert capsys.readouterr().out.endswith(" already\n")
    assert left_beside(folder) == []


def test_a_bundle_that_was_changed_in_the_store_is_refused_and_the_old_one_stays(
    registry: Registry, tmp_path: Path
) -> None:
    folder = tmp_path / "top_n"
    first = registry.champion(1)
    registry.fetch(folder)
    registry.champion(2)
    (newest,) = [p for p in registry.artifacts.rglob("made2") if p.is_dir()]
    model = newest / "model.npz"
    shutil.copy(next(registry.artifacts.rglob("made1")) / "model.npz", model)
    with pytest.raises(BundleError, match=r"version 2 is refused: it/model.npz is corrupted"):
        registry.fetch(folder)
    replace(Manifest.read(newest), files=checksums_of(newest)).write(newest)  # checksums mended
    with pytest.raises(BundleError, match="was registered; the stored files were changed"):
        registry.fetch(folder)
    shutil.rmtree(newest)
    with pytest.raises(BundleError, match=r"/2 holds no bundle of growthlab: .* No such file"):
        registry.fetch(folder)
    assert Bundle.load(folder).manifest == first
    assert left_beside(folder) == []


def test_a_version_that_names_a_folder_elsewhere_is_refused_and_that_folder_stays(
    registry: Registry, tmp_path: Path
) -> None:
    registry.champion(1)
    (described,) = registry.artifacts.rglob("MLmodel")
    text = described.read_text()
    elsewhere = registry.folder / "made1"
    described.write_text(text.replace("path: artifacts/made1", f"path: {elsewhere}"))
    with pytest.raises(BundleError, match=r"/1 is refused: its bundle is outside of the model"):
        registry.fetch(tmp_path / "top_n")
    assert Bundle.load(elsewhere).manifest.model == "item_knn"


def test_where_a_signing_key_is_set_only_a_signed_bundle_comes(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.champion(1)
    monkeypatch.setenv("GROWTHLAB_SIGNING_KEY", "k" * 32)
    folder = tmp_path / "top_n"
    with pytest.raises(BundleError, match="version 1 is refused: it is not signed") as refused:
        registry.fetch(folder)
    assert not folder.exists()
    words = f"growthlab fetch model_uri=models:/{registry.name}/1 to={folder}, then with the key "
    assert f"{words}growthlab sign bundle={folder}" in str(refused.value)
    monkeypatch.delenv("GROWTHLAB_SIGNING_KEY")
    registry.fetch(folder, f"models:/{registry.name}/1")
    monkeypatch.setenv("GROWTHLAB_SIGNING_KEY", "k" * 32)
    assert main(["sign", f"bundle={folder}"]) == 0
    assert not registry.fetch(folder).changed
    registry.champion(2)
    assert registry.fetch(folder).changed


def test_known_customers_are_not_exchanged_for_ones_that_the_key_here_does_not_find(
    registry: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def warnings() -> list[str]:
        return [
            r.getMessage()
            for r in caplog.records
            if r.name.startswith("growthlab.") and r.levelname == "WARNING"
        ]

    folder = tmp_path / "top_n"
    monkeypatch.setenv("GROWTHLAB_PSEUDONYM_KEY", "h" * 40)
    first = registry.champion(1)
    registry.fetch(folder)
    monkeypatch.setenv("GROWTHLAB_PSEUDONYM_KEY", "e" * 40)
    second = registry.champion(2)
    monkeypatch.setenv("GROWTHLAB_PSEUDONYM_KEY", "h" * 40)
    words = ["fetch", f"model_uri={registry.uri_of_champion}", f"to={folder}"]
    caplog.clear()
    assert main([*words, f"tracking.uri={registry.uri}"]) == 2
    assert warnings() == []  # the refusal says it
    message = capsys.readouterr().err
    assert "version 2 does not replace" in message
    assert message.count("known users cannot be looked up") == 1
    assert f"written with the key {second.key_fingerprint}; set GROWTHLAB_PSEUDONYM_KEY" in message
    assert Bundle.load(folder).manifest == first
    assert left_beside(folder) == []
    words[2] = f"to={tmp_path / 'elsewhere'}"
    assert main([*words, f"tracking.uri={registry.uri}"]) == 0  # nobody was known there
    assert warnings() == [Bundle.load(tmp_path / "elsewhere", quiet=True).no_lookup]
    monkeypatch.setenv("GROWTHLAB_PSEUDONYM_KEY", "n" * 40)
    assert registry.fetch(folder).changed  # nor here, with a third key
    assert Bundle.load(folder).manifest == second


def test_a_broken_bundle_in_the_folder_is_mended_and_other_things_are_kept(
    registry: Registry, tmp_path: Path, churn_folder: Path
) -> None:
    folder = tmp_path / "top_n"
    registry.champion(1)
    registry.fetch(folder)
    (folder / "model.npz").unlink()
    assert registry.fetch(folder).changed
    Bundle.load(folder)
    (tmp_path / "papers").mkdir()
    with pytest.raises(BundleError, match="papers is no bundle and is not overwritten"):
        registry.fetch(tmp_path / "papers")
    with pytest.raises(BundleError, match=r"version 1 answers top_n, and .*churn churn: give"):
        registry.fetch(churn_folder)


def test_what_is_not_in_the_registry_is_one_line(registry: Registry, tmp_path: Path) -> None:
    registry.champion(1)
    for model, message in (
        ("bundles/top_n", "write models:/NAME@champion or models:/NAME/3"),
        (f"models:/{registry.name}x@champion", f"did you mean {registry.name}"),
        (f"models:/{registry.name}@best", "does not have the alias best; its aliases: @cha"),
        (f"models:/{registry.name}/7", "does not have a version 7"),
    ):
        with pytest.raises(ConfigError, match=message):
            registry.fetch(tmp_path / "top_n", model)
    assert not (tmp_path / "top_n").exists()


def test_the_command_tells_what_it_did(
    registry: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    version = registry.champion(1).version
    words = ["fetch", f"model_uri={registry.uri_of_champion}", "to=bundles/top_n"]
    words.append(f"tracking.uri={registry.uri}")
    assert main(words) == 0
    message = f"{registry.name} version 1 (item_knn {version}) is in bundles/top_n"
    assert capsys.readouterr().out.startswith(f"{message}\nnext, if no service")
    assert main(words) == 0
    assert capsys.readouterr().out == f"{message} already\n"
    assert main([*words, "tracking.uri=sqlite:///other.db"]) == 2
    assert "there is no MLflow store sqlite:///other.db" in capsys.readouterr().err
    assert not (tmp_path / "other.db").exists()


@pytest.mark.parametrize("name", ["model.npz", "extra", "state"])
def test_a_stored_link_does_not_come_along(registry: Registry, name: str) -> None:
    folder = registry.folder / "live"
    registry.champion(1)
    (stored,) = [p for p in registry.artifacts.rglob("made1") if p.is_dir()]
    outside = registry.folder / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    if (stored / name).exists():
        (stored / name).rename(outside / name)
        (stored / name).symlink_to(outside / name)
    else:
        (stored / name).symlink_to(outside / "secret")
    try:
        registry.fetch(folder)
    except BundleError:
        assert not folder.exists()
        assert left_beside(folder) == []
    else:  # the store copied what the link leads to: the files are those of the bundle
        assert name != "extra"
        assert not any(p.is_symlink() for p in folder.rglob("*"))
        Bundle.load(folder)


def test_a_full_disk_is_no_fault_of_the_bundle(registry: Registry, tmp_path: Path) -> None:
    registry.champion(1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (100, before[1])
    )  # bytes a file: that is less than any
    try:
        with pytest.raises(Exception, match="File too large") as caught:
            registry.fetch(tmp_path / "live" / "top_n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "a file cannot be written (File too large" in str(storage_fault(caught.value))
    assert left_beside(tmp_path / "live" / "top_n") == []
