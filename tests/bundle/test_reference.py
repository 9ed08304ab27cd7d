"""The reference in a bundle: what was answered at export, counted in bins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from growthlab.bundle.answers import RecommendRequest
from growthlab.bundle.bundle import Bundle
from growthlab.bundle.manifest import Manifest, checksums_of
from growthlab.bundle.reference import REFERENCE, Bins, Reference
from growthlab.core.errors import BundleError

NAMES = ("anna.schmidt", "bert.jones", "carl.weber", "dora.moreau", "emil.rossi")


def test_numbers_are_counted_between_the_deciles_of_the_reference() -> None:
    bins = Bins.of(np.arange(1.0, 101.0))  # linear quantiles: 10.9, 20.8, ... 90.1
    assert bins.cuts.tolist() == pytest.approx([10.9 + 9.9 * i for i in range(9)])
    assert bins.counts.tolist() == [10] * 10 + [0]
    assert bins.tally([0, 10.9, 11, None, np.nan, "x", 1e9]).tolist() == [2, 1, *[0] * 7, 1, 3]
    assert bins.labels[0] == "<= 10.9"
    assert bins.labels[-2:] == ["> 90.1", "(missing)"]


def test_deciles_that_coincide_are_one_border() -> None:
    bins = Bins.of(np.array([0.0] * 8 + [5.0, 9.0]))
    assert bins.cuts.tolist() == pytest.approx([0.0, 1.0, 5.4])  # the last two between 0, 5 and 9
    assert bins.counts.tolist() == [8, 0, 1, 1, 0]


def test_categories_stay_as_they_are_and_rare_ones_are_not_named() -> None:
    bins = Bins.of(np.array(["Ulm"] * 12 + ["Bonn"] * 10 + ["Rare"] * 9 + [""] * 2))
    assert bins.labels == ["Bonn", "Ulm", "(other)", "(missing)"]
    assert bins.counts.tolist() == [10, 12, 9, 2]
    assert bins.tally(["Ulm", "Oslo", None, 7]).tolist() == [0, 1, 2, 1]


@pytest.mark.parametrize("values", [np.zeros(0), np.full(3, np.nan), np.zeros(0, dtype="<U1")])
def test_a_column_of_nothing_has_bins_too(values: np.ndarray) -> None:
    bins = Bins.of(values)
    assert bins.counts.sum() == len(values)
    assert len(bins.labels) == len(bins.counts)
    assert bins.tally(["a", 1.0, None]).sum() == 3


@given(st.lists(st.one_of(st.none(), st.floats(), st.text(max_size=3)), max_size=30))
def test_every_value_is_in_exactly_one_bin(values: list[float | str | None]) -> None:
    for bins in (Bins.of(np.array([1.0, 2.0, 2.0, 7.0])), Bins.of(np.array(["a"] * 10))):
        assert bins.tally(values).sum() == len(values)


def test_a_recommender_keeps_its_lists_histories_and_scores(folder: Path) -> None:
    reference = Reference.read(folder)
    assert reference is not None
    # catalogue: coffee, cup, filter, lemon, tea, vase; 10 purchases of five people
    assert reference.item_counts.tolist() == [2, 2, 2, 2, 3, 0]
    assert sum(reference.served.values()) == 5
    requests = [RecommendRequest(user_id=f"{name}@example.org") for name in NAMES]
    lists = Bundle.load(folder).recommend(requests, k=10)
    names = np.array(["coffee", "cup", "filter", "lemon", "tea", "vase", ""])
    listed = [[item.item for item in answer.items] for answer in lists]
    kept = [[name for name in names[codes].tolist() if name] for codes in reference.listed]
    # there ties are in the order of pseudonyms: what was scored comes first in both
    assert sorted(sorted(items) for items in kept) == sorted(sorted(items) for items in listed)
    assert reference.served == {"known": 5}
    assert reference.bins["score"].counts.sum() == 5


def test_a_churn_model_keeps_its_features_and_predictions(churn_folder: Path) -> None:
    reference = Reference.read(churn_folder)
    assert reference is not None
    # two customers, 10 and 90 days: every decile lies between, one on each side
    days = reference.bins["feature.days_since_last"]
    assert days.counts[[0, -2, -1]].tolist() == [1, 1, 0]
    assert reference.bins["score"].counts.sum() == 2
    assert "feature.city" not in reference.bins  # the rule does not read it


def test_no_customer_is_named_in_it(folder: Path, churn_folder: Path) -> None:
    for path in (folder, churn_folder):
        with np.load(path / REFERENCE) as stored:
            texts = {str(t) for n in stored.files for t in stored[n] if stored[n].dtype.kind == "U"}
        assert texts == {"known"}


def test_a_bundle_without_a_reference_loads_as_before(folder: Path) -> None:
    (folder / REFERENCE).unlink()
    replace(Manifest.read(folder), files=checksums_of(folder)).write(folder)
    Bundle.load(folder)
    assert Reference.read(folder) is None


def test_a_damaged_reference_is_one_line(folder: Path) -> None:
    (folder / REFERENCE).write_bytes(b"PK nonsense")
    with pytest.raises(BundleError, match="is corrupted: its checksum"):
        Bundle.load(folder)
    with pytest.raises(BundleError, match=r"reference.npz cannot be read: .*; export the model"):
        Reference.read(folder)
