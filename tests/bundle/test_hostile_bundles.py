"""Bundles whose contents were changed and whose checksums were renewed are refused in one line."""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.hostile_bundles import Change, arrays_in, change_array, renew, with_value

from growthlab.bundle.answers import PredictRequest, RecommendRequest
from growthlab.bundle.bundle import Bundle
from growthlab.bundle.self_test import self_test
from growthlab.core.errors import AnswerError, BundleError
from growthlab.core.histories import Histories
from growthlab.scorers.base import Scorer


def refusal(folder: Path) -> str:
    """The line with which a bundle is refused."""
    with pytest.raises(BundleError) as caught:
        Bundle.load(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def cut(array: np.ndarray) -> np.ndarray:
    return array[:-1]


def backwards(array: np.ndarray) -> np.ndarray:
    return array[::-1]


STATE, MODEL = "state/histories.npz", "model.npz"


@pytest.mark.parametrize(
    ("file", "name", "change", "message"),
    [
        (MODEL, "weights_indices", with_value(0, 6), "weights_indices must lie in 0 ... 5, got 6"),
        (MODEL, "weights_indices", with_value(0, -1), "weights_indices must lie in 0 ... 5, got -1"),
        (MODEL, "weights_indices", with_value(3, 2**31 - 1), "weights_indices must lie in 0 ... 5"),
        (MODEL, "weights_indptr", with_value(1, -5), "weights_indptr must be 0 or more, got -5"),
        (MODEL, "weights_indptr", with_value(-1, 10**6), "weights_indptr must go from 0 to"),
        (MODEL, "weights_indptr", with_value(1, 10**6), "weights_indptr must be sorted"),
        (MODEL, "weights_indptr", cut, "weights_indptr must have the shape (n_items+1"),
        (MODEL, "weights_data", cut, "weights_indices must have the shape"),
        (MODEL, "weights_data", with_value(0, np.nan), "weights_data must be finite"),
        (MODEL, "weights_data", with_value(0, np.inf), "weights_data must lie in"),
        (MODEL, "weights_shape", with_value(0, 7), "weights_shape says 7 of n_items, expected 6"),
        (MODEL, "weights_shape", with_value(1, 10**9), "weights_shape says 1000000000 of n_items"),
        (MODEL, "event_weights", with_value(0, -1), "event_weights must lie in 0 ... 1e+15, got -1"),
        (MODEL, "event_weights", cut, "event_weights must have the shape (10), got (9,)"),
        (MODEL, "step_decay", with_value(0, 2), "step_decay must lie in 0 ... 1, got 2"),
        (MODEL, "half_life_days", with_value(0, 0), "half_life_days must lie in"),
        ("fallback.npz", "scores", with_value(1, np.nan), "scores must be finite, got NaN"),
        ("fallback.npz", "scores", lambda a: a[:3], "scores must have the shape (n_items (n_items = 6)"),
        ("fallback.npz", "scores", lambda a: a.astype("U5"), "scores must be of float32 or float64"),
        ("catalogue.npz", "item_ids", backwards, "item_ids must be sorted and distinct"),
        ("catalogue.npz", "item_ids", with_value(1, "coffee"), "item_ids must be sorted"),
        ("catalogue.npz", "item_ids", lambda a: a[:0], "has no items"),
        ("catalogue.npz", "item_ids", lambda a: None, "needs 'item_ids', which is missing"),
        (STATE, "items", with_value(2, 6), "items must lie in 0 ... 5, got 6"),
        (STATE, "items", with_value(2, -1), "items must lie in 0 ... 5, got -1"),
        (STATE, "offsets", with_value(-1, 99), "offsets must go from 0 to"),
        (STATE, "offsets", with_value(1, 99), "offsets must be sorted"),
        (STATE, "times", with_value(0, 2**62), "times must lie in"),
        (STATE, "times", lambda a: len(a) - np.arange(len(a)), "events that are not sorted by time"),
        (STATE, "event_types", with_value(0, 99), "event_types must be 9 or less, got 99"),
        (STATE, "user_codes", with_value(0, -2), "user_codes must be -1 or more, got -2"),
        (STATE, "user_ids", backwards, "user_ids must be sorted and distinct"),
        (STATE, "prices", cut, "prices must have the shape"),
        (STATE, "timed", lambda a: np.array("x"), "timed must be of bool"),
    ],
)  # fmt: skip
def test_an_array_that_is_not_as_its_schema_says_is_refused(
    folder: Path, file: str, name: str, change: Change, message: str
) -> None:
    change_array(folder, file, name, change)
    assert message in refusal(folder)


def test_the_same_bundle_unchanged_is_loaded_and_tested(folder: Path, churn_folder: Path) -> None:
    change_array(folder, MODEL, "weights_data", lambda array: array)
    for path in (folder, churn_folder):
        self_test(Bundle.load(path))


@pytest.mark.parametrize(
    ("file", "name", "change", "message"),
    [
        ("fallback.npz", "base", with_value(0, np.nan), "base must be finite"),
        (MODEL, "knots", with_value(1, -1.0), "knots must be sorted and distinct"),
        (MODEL, "values", with_value(1, np.nan), "values must be finite"),
        (MODEL, "values", cut, "values must have the shape"),
        (MODEL, "knots", lambda a: a[:0], "knots must not be empty"),
        (MODEL, "column", lambda a: np.array("age"), "the feature age is missing"),
        ("state/customers.npz", "feature.days_since_last", cut, "feature.days_since_last must have"),
        ("state/customers.npz", "feature.days_since_last", lambda a: a.astype(str),
         "the feature days_since_last is of another type"),
        ("state/customers.npz", "user_ids", backwards, "user_ids must be sorted"),
    ],
)  # fmt: skip
def test_so_are_arrays_of_bundles_of_numbers(
    churn_folder: Path, file: str, name: str, change: Change, message: str
) -> None:
    change_array(churn_folder, file, name, change)
    assert message in refusal(churn_folder)


def test_a_number_that_is_no_probability_does_not_pass_the_self_test(churn_folder: Path) -> None:
    change_array(churn_folder, MODEL, "values", with_value(1, 1.5))
    with pytest.raises(BundleError, match=r"a stored customer: 1\.36 is no probability"):
        self_test(Bundle.load(churn_folder))


@pytest.mark.parametrize(
    ("example", "message"),
    [
        ({"history": ["tea"], "k": -1}, "k is -1"),
        ({"history": ["tea"], "k": 10**9}, "k is 1000000000"),
        ({"history": ["tea"], "k": True}, "k is True"),
        ({"history": ["tea"]}, "'k' is missing"),
        ({"history": "tea", "k": 5}, "history is 'tea'"),
        ({"history": ["tea"] * 20_000, "k": 5}, "history is ['tea', "),
        ({"history": [["tea"]], "k": 5}, "history is [['tea']]"),
        ({"history": ["tea"], "k": 5, "user": 1}, "it has no 'user'"),
        ([1], "it has no names"),
        (None, "it has no names"),
    ],
)
def test_an_example_that_is_no_request_is_refused(folder: Path, example: Any, message: str) -> None:
    (folder / "request.json").write_text(json.dumps(example))
    renew(folder)
    assert f"is no request: {message}" in refusal(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "it is nested too deep"),
        ('{"history": [], "k": NaN}', "NaN is no JSON"),
        ('{"k": 1, "k": 2, "history": []}', "it has a key twice"),
        ('"' + "x" * 2**21 + '"', "is larger than 1,048,576 bytes"),
        ('{"history": ["\\ud800"], "k": 5}', "is no request: history is "),
        ("", "JSONDecodeError"),
    ],
)
def test_an_example_that_is_no_proper_json_is_refused(
    folder: Path, text: str, message: str
) -> None:
    (folder / "request.json").write_text(text)
    renew(folder)
    assert message in refusal(folder)


@pytest.mark.parametrize(
    "features", [{"age": 1}, {"days_since_last": [1]}, {"days_since_last": 1e999}, "x"]
)
def test_an_example_names_features_of_the_model(churn_folder: Path, features: Any) -> None:
    text = json.dumps({"features": features}).replace("Infinity", "1e999")
    (churn_folder / "request.json").write_text(text)
    renew(churn_folder)
    assert "is no request: " in refusal(churn_folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1],
        lambda text: text + " ",
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace('"task"', ' "task"', 1),
        lambda text: text.replace('{\n  "task"', '{\n  "task": "churn",\n  "task"', 1),
        lambda text: json.dumps(json.loads(text)),
    ],
)
def test_a_manifest_whose_bytes_were_changed_is_refused(folder: Path, change: Change) -> None:
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_bytes(change(text).encode())
    assert "manifest.json is corrupted: " in refusal(folder)


@pytest.mark.parametrize("name", ["model.npz", "extra.txt", "state", "manifest.json"])
def test_a_link_in_a_bundle_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    if (folder / name).exists():
        (folder / name).rename(elsewhere)
    else:
        elsewhere.write_text("")
    (folder / name).symlink_to(elsewhere)
    assert "link" in refusal(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
@pytest.mark.parametrize("name", ["model.npz", "extra.txt", "request.json"])
def test_a_pipe_in_a_bundle_is_refused_and_not_waited_for(folder: Path, name: str) -> None:
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    assert "is no regular file" in refusal(folder)


def test_folders_in_folders_and_thousands_of_files_are_refused(folder: Path) -> None:
    deep = folder / "a" / "b" / "c" / "d"
    deep.mkdir(parents=True)
    (deep / "e").write_text("")
    assert "lies deeper" in refusal(folder)
    (deep / "e").unlink()
    for number in range(1_001):
        (folder / "a" / str(number)).write_text("")
    deep.rmdir()
    (folder / "a" / "b" / "c").rmdir()
    assert "has more than 1000 files" in refusal(folder)


def test_a_small_file_that_would_become_a_large_one_is_refused(folder: Path) -> None:
    arrays = arrays_in(folder / MODEL) | {"weights_data": np.zeros(2**29, dtype=np.float32)}
    with zipfile.ZipFile(folder / MODEL, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array)  # type: ignore[arg-type]
    renew(folder)
    assert "bytes would become 2,147" in refusal(folder)


def test_an_array_that_is_there_twice_or_claims_more_than_there_is_is_refused(
    folder: Path,
) -> None:
    content = (folder / "fallback.npz").read_bytes()
    with (
        zipfile.ZipFile(folder / "fallback.npz", "a") as archive,
        pytest.warns(match="Duplicate name"),
    ):
        archive.writestr("scores.npy", archive.read("scores.npy"))
    renew(folder)
    assert "two arrays of the same name" in refusal(folder)
    header, huge = b"(6,), }" + b" " * 20, b"(99999999999999,), }" + b" " * 7
    (folder / "fallback.npz").write_bytes(content)
    with zipfile.ZipFile(folder / "fallback.npz") as archive:
        array = archive.read("scores.npy")
    assert header in array
    with zipfile.ZipFile(folder / "fallback.npz", "w") as archive:
        archive.writestr("scores.npy", array.replace(header, huge))
    renew(folder)
    assert "fallback.npz cannot be read: " in refusal(folder)


def test_a_kind_that_gives_other_answers_is_refused(folder: Path, churn_folder: Path) -> None:
    renew(folder, kind="curve_row_scorer")
    np.savez(folder / MODEL, **arrays_in(churn_folder / MODEL))  # type: ignore[arg-type]
    renew(folder)
    assert "a model of the kind curve_row_scorer does not give lists of items" in refusal(folder)


class BrokenScorer:
    """A scorer of a fixed score for every item."""

    def __init__(self, score: float) -> None:
        self.value = score

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        return np.tile([0, self.value, 0, 0, 0, 0], (histories.n_users, 1)).astype(np.float32)


@pytest.mark.parametrize("score", [np.nan, np.inf])
def test_an_answer_that_is_not_finite_is_an_error_and_no_answer(folder: Path, score: float) -> None:
    bundle = Bundle.load(folder)
    assert bundle.list_maker is not None
    scorer: Scorer = BrokenScorer(score)  # type: ignore[assignment]
    broken = replace(bundle, list_maker=replace(bundle.list_maker, scorer=scorer))
    with pytest.raises(AnswerError, match="fails to answer: model output"):
        broken.recommend([RecommendRequest(history=["tea"])])
    with pytest.raises(BundleError, match="it does not answer its own example: "):
        self_test(broken)


def test_a_number_that_is_not_finite_is_an_error_and_no_answer(churn_folder: Path) -> None:
    change_array(churn_folder, MODEL, "tail", with_value(0, 1e15))
    bundle = Bundle.load(churn_folder)
    with pytest.raises(AnswerError, match=r"is not finite|overflow"):
        bundle.predict([PredictRequest(features={"days_since_last": 1e300})])
