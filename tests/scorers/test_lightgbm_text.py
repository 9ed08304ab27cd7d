"""Trees that the library would not survive are refused before it reads them."""

from __future__ import annotations

import re
from collections.abc import Callable

import lightgbm
import numpy as np
import pytest

from growthlab.core.errors import BundleError
from growthlab.scorers.lightgbm_row_scorer import LightGBMRowScorer
from growthlab.scorers.lightgbm_text import checked_tree_text

N_FEATURES = 4
Change = Callable[[str], str]


def trained(**settings: object) -> lightgbm.Booster:
    """Trees over a column of categories and three numbers, some of them not known."""
    draws = np.random.default_rng(3)
    features = draws.normal(size=(400, N_FEATURES))
    features[:, 0] = draws.integers(0, 40, 400)
    label = np.isin(features[:, 0], [1, 5, 37]) * 0.8 + 0.1 * (features[:, 1] > 0)
    features[draws.random(features.shape) < 0.1] = np.nan
    if settings.get("objective") == "binary":
        label = label > 0.4
    fixed = {"verbose": -1, "num_leaves": 6, "num_threads": 1, "min_data_in_leaf": 5}
    fixed |= {"min_data_per_group": 1, "cat_smooth": 0}  # the first split is by categories
    data = lightgbm.Dataset(features, label, categorical_feature=[0])
    return lightgbm.train({**fixed, **settings}, data, 8)


@pytest.fixture(scope="module")
def text() -> str:
    """The text of a regression."""
    return str(trained(objective="regression").model_to_string())


def renewed(text: str) -> str:
    """The text with the lengths of its trees."""
    head, _, rest = text.partition("\ntree_sizes=")
    trees = rest[rest.index("\n") :].partition("end of trees")[0].split("Tree=")[1:]
    sizes = " ".join(str(len(f"Tree={tree}")) for tree in trees)
    return f"{head}\ntree_sizes={sizes}{rest[rest.index(chr(10)) :]}"


def with_words(name: str, change: Callable[[list[str]], list[str]]) -> Change:
    """Other numbers in the first tree's line of that name."""

    def changed(text: str) -> str:
        line = re.search(rf"^{name}=(.*)$", text, re.MULTILINE)
        assert line is not None
        words = " ".join(change(line[1].split(" ")))
        return renewed(text[: line.start()] + f"{name}={words}" + text[line.end() :])

    return changed


def put(place: int, word: str) -> Callable[[list[str]], list[str]]:
    def change(words: list[str]) -> list[str]:
        words[place] = word
        return words

    return change


@pytest.mark.parametrize(
    "settings",
    [
        *({"objective": name} for name in (
            "regression", "regression_l1", "huber", "fair", "poisson", "quantile", "mape", "gamma",
            "tweedie", "binary", "cross_entropy", "cross_entropy_lambda",
        )),
        {"objective": "regression", "reg_sqrt": True},
        {"objective": "regression", "linear_tree": True},
        {"objective": "regression", "monotone_constraints": [0, 1, 0, 0]},
        {"objective": "regression", "boosting": "dart"},
        {"objective": "regression", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
        {"objective": "regression", "zero_as_missing": True},
        {"objective": "regression", "min_data_in_leaf": 400},
    ],
)  # fmt: skip
def test_trees_as_they_are_written_predict_what_they_did(settings: dict[str, object]) -> None:
    if settings["objective"] in ("gamma", "tweedie", "poisson", "mape"):
        settings = settings | {"min_sum_hessian_in_leaf": 1e-6}
    try:
        booster = trained(**settings)
    except lightgbm.basic.LightGBMError:  # gamma takes no zeros
        booster = trained(**settings | {"objective": "tweedie"})
    rows = np.random.default_rng(5).normal(size=(50, N_FEATURES)) * 5
    checked = checked_tree_text(booster.model_to_string().encode(), N_FEATURES)
    again = lightgbm.Booster(model_str=checked)
    assert again.predict(rows).tolist() == booster.predict(rows).tolist()
    assert "parameters" not in checked


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_words("leaf_value", lambda words: words[:-1]), "tree 0: leaf_value has 5 numbers"),
        (with_words("leaf_value", lambda words: [*words, "1"]), "tree 0: leaf_value has 7 numbers"),
        (with_words("leaf_value", put(0, "nan")), "leaf_value holds what is no finite number"),
        (with_words("leaf_value", put(0, "inf")), "leaf_value holds what is no finite number"),
        (with_words("leaf_value", put(0, "1e999")), "tree 0: leaf_value must be finite"),
        (with_words("leaf_value", put(0, "1_0")), "leaf_value holds what is no finite number"),
        (with_words("leaf_value", put(0, "0x1p3")), "leaf_value holds what is no finite number"),
        (with_words("leaf_count", lambda words: words[:-1]), "tree 0: leaf_count has 5 numbers"),
        (with_words("num_leaves", put(0, "7")), "numbers, expected 7"),
        (with_words("num_leaves", put(0, "0")), "num_leaves must lie in 1"),
        (with_words("num_leaves", put(0, "2147483647")), "num_leaves must lie in 1"),
        (with_words("split_feature", put(0, "4")), r"split_feature must lie in 0 \.\.\. 3"),
        (with_words("split_feature", put(0, "-1")), r"split_feature must lie in 0 \.\.\. 3"),
        (with_words("split_feature", lambda words: words[1:]), "split_feature has 4 numbers"),
        (with_words("left_child", put(2, "0")), "its nodes go in a circle"),
        (with_words("right_child", put(0, "0")), "its nodes go in a circle"),
        (with_words("left_child", put(2, "-1")), "a node or leaf has no parent, or two"),
        (with_words("right_child", put(0, "99")), r"right_child must lie in -6 \.\.\. 4"),
        (with_words("right_child", put(0, "-99")), r"right_child must lie in -6 \.\.\. 4"),
        (with_words("threshold", put(0, "nan")), "threshold holds what is no finite number"),
        (with_words("threshold", put(0, "17")), "a set of categories that is not there"),
        (with_words("threshold", put(0, "-1")), "a set of categories that is not there"),
        (with_words("threshold", put(0, "0.5")), "a set of categories that is not there"),
        (with_words("threshold", put(1, "1e999")), "threshold must be finite"),
        (with_words("threshold", put(1, "+1")), "threshold holds what is no finite number"),
        (with_words("leaf_value", put(1, ".5")), "leaf_value holds what is no finite number"),
        (lambda text: renewed(text.replace("\nthreshold", "\n\nthreshold", 1)), "has the line ''"),
        (lambda text: text.replace("\nobjective", "\n\nobjective", 1), "has the line ''"),
        (with_words("decision_type", put(0, "64")), r"decision_type must lie in 0 \.\.\. 11"),
        (with_words("cat_boundaries", put(1, "999")), "cat_boundaries|cat_threshold has"),
        (with_words("cat_boundaries", put(0, "1")), "cat_boundaries"),
        (with_words("cat_threshold", lambda words: words[1:]), "cat_threshold has"),
        (with_words("num_cat", put(0, "9")), "cat_boundaries has"),
        (with_words("shrinkage", put(0, "nan")), "shrinkage holds what is no finite number"),
        (with_words("is_linear", put(0, "1")), "it has no leaf_const"),
        (with_words("max_feature_idx", put(0, "999")), "max_feature_idx=999, expected 3"),
        (with_words("num_class", put(0, "3")), "num_class=3, expected 1"),
        (with_words("num_tree_per_iteration", put(0, "0")), "num_tree_per_iteration=0"),
        (with_words("objective", put(0, "custom")), "the objective 'custom'"),
        (with_words("objective", lambda words: ["binary", "sigmoid:-1"]), "sigmoid:-1"),
        (with_words("feature_names", lambda words: words[:-1]), "are not of 4 columns"),
        (with_words("feature_infos", put(0, "[x:y]")), "feature_infos of the trees cannot be read"),
        (with_words("version", put(0, "v9")), "the version 'v9'"),
        (lambda text: text.replace("tree_sizes=", "tree_sizes=1 "), "tree_sizes has 9 numbers"),
        (lambda text: text.replace("tree_sizes=", "tree_sizes=-"), "tree_sizes must lie in"),
        (lambda text: text.replace("tree_sizes=", "tree_sizes=9", 1), "has the line ''"),
        (lambda text: renewed(text.replace("Tree=1\n", "Tree=7\n")), "is not where the head"),
        (lambda text: renewed(text.replace("\nsplit_gain", "\nsplit_gian", 1)), "has 'split_gian'"),
        (lambda text: renewed(text.replace("\nnum_cat=1", "\nnum_cat=1\nnum_cat=1", 1)), "num_cat"),
        (lambda text: text.replace("end of trees", "end"), "have no beginning or no end"),
        (lambda text: text[:200], "have no beginning or no end"),
        (lambda text: "", "have no beginning or no end"),
        (lambda text: text.replace("tree\n", "tree\nmore=1\n", 1), "unknown"),
        (lambda text: text.replace("num_class=1\n", "", 1), "unknown"),
    ],
)
def test_trees_that_are_none_are_refused_in_one_line(
    text: str, change: Change, message: str
) -> None:
    changed = change(text)
    assert changed != text
    with pytest.raises(BundleError, match=message) as caught:
        checked_tree_text(changed.encode(), N_FEATURES)
    assert "\n" not in str(caught.value)


def test_too_many_trees_and_too_long_texts_are_refused_at_once(text: str) -> None:
    head, _, rest = text.partition("\nTree=0\n")
    tree = rest.partition("\nTree=1\n")[0]
    many = head + "".join(f"\nTree={n}\n{tree}" for n in range(60_000)) + "end of trees\n"
    with pytest.raises(BundleError, match="there are 60,000 trees, more than 10,000"):
        checked_tree_text(many.encode(), N_FEATURES)
    with pytest.raises(BundleError, match=r"the trees have 67,108,865 bytes, more than"):
        checked_tree_text(b" " * (64 * 2**20 + 1), N_FEATURES)
    with pytest.raises(BundleError, match="the trees are no text"):
        checked_tree_text(b"tree\n\xff", N_FEATURES)


def test_numbers_that_take_long_to_read_do_not(text: str) -> None:
    long = with_words("threshold", put(1, "1" * 200_000 + "x"))(text)
    with pytest.raises(BundleError, match="threshold holds what is no finite number"):
        checked_tree_text(long.encode(), N_FEATURES)
    digits = with_words("split_feature", put(1, "1" * 10_000))(text)
    with pytest.raises(BundleError, match="a tree cannot be read"):
        checked_tree_text(digits.encode(), N_FEATURES)


def test_levels_of_a_column_that_the_trees_do_not_read_are_refused(text: str) -> None:
    columns = np.array(["a", "b", "c", "d"])
    files = {"model.txt": text.encode()}
    LightGBMRowScorer.load({"columns": columns, "levels_a": np.array(["x"])}, files)
    with pytest.raises(BundleError, match="the trees do not read the column 'e'"):
        LightGBMRowScorer.load({"columns": columns, "levels_e": np.array(["x"])}, files)
