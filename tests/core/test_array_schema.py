"""Arrays are what their schema says, or refused in one line."""

from __future__ import annotations

import numpy as np
import pytest

from growthlab.core.array_schema import BLOCK, FLOAT, INDEX, ArraySchema, check_arrays
from growthlab.core.errors import BundleError

CSR = {
    "indices": ArraySchema(dtypes=INDEX, shape=("n_edges",), low=0, below="n_items"),
    "offsets": ArraySchema(
        dtypes=("int64",), shape=("n_users+1",), low=0, order="offsets", ends_at="n_edges"
    ),
}


def arrays(**changed: object) -> dict[str, np.ndarray]:
    own = {"indices": np.array([0, 2, 1]), "offsets": np.array([0, 2, 3])}
    return own | {name: np.asarray(value) for name, value in changed.items()}


def test_sizes_are_those_of_the_first_array_that_has_them() -> None:
    sizes = {"n_items": 3}
    check_arrays(CSR, arrays(), sizes, "it")
    assert sizes == {"n_items": 3, "n_edges": 3, "n_users": 2}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"indices": [0, 3, 1]}, r"indices must lie in 0 \.\.\. 2, got 3"),
        ({"indices": [0, -1, 1]}, r"indices must lie in 0 \.\.\. 2, got -1"),
        ({"indices": [0.0, 1.0, 1.0]}, "indices must be of int32 or int64, got float64"),
        ({"indices": np.array([0, 1, 1], dtype=">i4")}, "indices must be of int32 or int64"),
        ({"indices": [[0, 1, 1]]}, r"indices must have the shape \(n_edges\), got \(1, 3\)"),
        ({"offsets": [0, 2]}, "offsets must go from 0 to 3 .n_edges., got 0 to 2"),
        ({"offsets": [1, 2, 3]}, "offsets must go from 0 to 3"),
        ({"offsets": [0, 3, 2, 3]}, "offsets must be sorted"),
        ({"offsets": [0, 2, 4]}, "offsets must go from 0 to 3 .n_edges., got 0 to 4"),
        ({"offsets": [0, 2, -3]}, "offsets must be 0 or more, got -3"),
        ({"offsets": np.zeros(0, dtype=np.int64)}, r"offsets must have the shape \(n_users\+1\)"),
        ({"more": [1]}, "it has no 'more'"),
    ],
)
def test_wrong_indices_and_offsets_are_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(BundleError, match=message) as caught:
        check_arrays(CSR, arrays(**changed), {"n_items": 3}, "it")
    assert "\n" not in str(caught.value)


def test_a_missing_array_is_named_unless_it_is_optional() -> None:
    with pytest.raises(BundleError, match="it needs 'offsets', which is missing"):
        check_arrays(CSR, {"indices": np.array([0])}, {"n_items": 1}, "it")
    check_arrays({"a": ArraySchema(dtypes=FLOAT, optional=True)}, {}, {}, "it")


@pytest.mark.parametrize("place", [0, BLOCK - 1, BLOCK, 2 * BLOCK + 5])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e16])
def test_numbers_are_finite_in_every_block(place: int, value: float) -> None:
    schema = ArraySchema(dtypes=("float32",), shape=("n",))
    values = np.zeros(2 * BLOCK + 6, dtype=np.float32)
    schema.check("values", values, {})
    values[place] = value
    with pytest.raises(BundleError, match=r"values must (be finite, got NaN|lie in -1e.15)"):
        schema.check("values", values, {})


def test_what_is_not_known_may_be_nan_where_the_schema_says_so() -> None:
    schema = ArraySchema(dtypes=FLOAT, shape=("n",), nan=True, low=0)
    schema.check("prices", np.array([np.nan, 1.0]), {})
    schema.check("prices", np.array([np.nan, np.nan]), {})
    for wrong in (-1.0, np.inf):
        with pytest.raises(BundleError, match="prices must"):
            schema.check("prices", np.array([np.nan, wrong]), {})
    ceiling = ArraySchema(dtypes=FLOAT, low=0, high=np.inf, infinite=True)
    ceiling.check("ceiling", np.array(np.inf), {})
    with pytest.raises(BundleError, match="ceiling must"):
        ceiling.check("ceiling", np.array(np.nan), {})


def test_texts_can_be_written_and_flags_are_true_or_false() -> None:
    names = ArraySchema(dtypes=("text",), shape=("n",), order="increasing")
    names.check("names", np.array(["a", "é", "\U0001f600"]), {})
    for wrong, message in (
        (["a", "a"], "sorted and distinct"),
        (["b", "a"], "sorted and distinct"),
        (["a", "\ud800"], "holds what is no text"),
    ):
        with pytest.raises(BundleError, match=message):
            names.check("names", np.array(wrong), {})
    beyond = np.array(["a", "b"])
    beyond.view(np.uint32)[1] = 0x110000  # no character
    with pytest.raises(BundleError, match="holds what is no text"):
        names.check("names", beyond, {})
    flags = np.array([0, 2], dtype=np.uint8).view(bool)
    with pytest.raises(BundleError, match="true or false, byte by byte"):
        ArraySchema(dtypes=("bool",), shape=("n",)).check("flags", flags, {})
    with pytest.raises(BundleError, match="by is one of a, b, not 'c'"):
        ArraySchema(dtypes=("text",), values=("a", "b")).check("by", np.array("c"), {})


def test_an_array_that_holds_sizes_agrees_with_those_that_are_known() -> None:
    shape = ArraySchema(dtypes=("int64",), shape=(2,), sizes=("n_items", "n_terms"))
    sizes = {"n_items": 3}
    shape.check("shape", np.array([3, 7]), sizes)
    assert sizes["n_terms"] == 7
    for wrong in ([4, 7], [3, -1], [3, 2**40]):
        with pytest.raises(BundleError, match="shape says"):
            shape.check("shape", np.array(wrong), {"n_items": 3})


def test_a_pattern_stands_for_all_names_that_begin_so() -> None:
    schema = {"levels_*": ArraySchema(dtypes=("text",), shape=("",))}
    check_arrays(schema, {"levels_a": np.array(["x"]), "levels_b": np.array(["y", "z"])}, {}, "it")
    with pytest.raises(BundleError, match="levels_a must be of text"):
        check_arrays(schema, {"levels_a": np.array([1.0])}, {}, "it")
