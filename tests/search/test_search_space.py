"""Ranges of settings: what is inside, what is on the border, how many values there are."""

from __future__ import annotations

from typing import Any

import pytest

from growthlab.search.search_space import (
    CategoricalRange,
    Condition,
    NumericRange,
    SearchSpace,
    settings_key,
)


@pytest.mark.parametrize(
    ("values", "value", "inside"),
    [
        ((1, 2, 5), 2, True),
        ((1, 2, 5), 2.0, True),
        ((1, 2, 5), 3, False),
        ((0, 1), True, False),  # True is not 1
        ((True, False), 1, False),
        (("none", "bm25"), "bm25", True),
        ((None, 5), None, True),
        (([32, 16], [64]), [64], True),
        (([32, 16], [64]), [16, 32], False),
    ],
)
def test_a_categorical_range_contains_its_values(
    values: tuple[Any, ...], value: Any, inside: bool
) -> None:
    assert CategoricalRange(values).contains(value) is inside


@pytest.mark.parametrize(
    ("values", "value", "border"),
    [
        ((10, 50, 200), 10, True),
        ((200, 10, 50), 200, True),  # numbers are compared, whatever their order in the list
        ((10, 50, 200), 50, False),
        ((10, 50), 10, False),  # of two numbers each would be on a border
        (("a", "b", "c"), "a", False),  # strings have no order
        ((True, False), True, False),
    ],
)
def test_the_smallest_and_largest_of_three_numbers_are_a_border(
    values: tuple[Any, ...], value: Any, border: bool
) -> None:
    assert CategoricalRange(values).at_border(value) is border


def test_values_within_one_percent_of_an_end_are_on_the_border() -> None:
    share = NumericRange(0.0, 1.0)
    assert [share.at_border(v) for v in (0.0, 0.005, 0.02, 0.5, 0.995)] == [1, 1, 0, 0, 1]
    rate = NumericRange(1e-4, 1.0, log=True)  # a hundredth of four decades: up to 1.096e-4
    assert [rate.at_border(v) for v in (1e-4, 1.09e-4, 1.11e-4, 1.0)] == [1, 1, 0, 1]


def test_integers_are_on_the_border_only_at_the_ends() -> None:
    numbers = NumericRange(1, 9, step=2)
    assert numbers.n_values == 5
    assert list(numbers) == [1, 3, 5, 7, 9]
    assert [numbers.contains(v) for v in (3, 4, 11, True)] == [True, False, False, False]
    assert [v for v in numbers if numbers.at_border(v)] == [1, 9]


def test_a_range_of_many_integers_has_a_border_like_a_continuous_one() -> None:
    penalty = NumericRange(1, 10_000, step=1, log=True)  # a hundredth of four decades: from 9,120
    assert [penalty.at_border(v) for v in (1, 2, 9_000, 9_990)] == [True, False, False, True]


def test_the_number_of_settings_is_none_where_a_range_is_continuous() -> None:
    finite = SearchSpace(
        {"a": CategoricalRange((1, 2, 3)), "b": NumericRange(1, 2, step=1)}, {"a": 2, "b": 1}
    )
    assert finite.n_settings == 6
    assert len({settings_key(s) for s in finite.all_settings()}) == 6
    assert (
        SearchSpace(
            {"a": CategoricalRange((1, 2)), "b": NumericRange(0.0, 1.0)}, {"a": 1, "b": 0.5}
        ).n_settings
        is None
    )
    assert SearchSpace({"a": NumericRange(0.5, 0.5)}, {"a": 0.5}).n_settings == 1


def test_lists_are_encoded_for_optuna_and_decoded() -> None:
    space = SearchSpace(
        {"layers": CategoricalRange(([32, 16], [64])), "one": CategoricalRange((7,))}, {}
    )
    params = space.encoded({"layers": [64], "one": 7})
    assert space.settings({"layers": params["layers"]}) == {"layers": [64], "one": 7}
    assert set(space.distributions()) == {"layers", "one"}


def test_borders_are_named_even_where_the_default_won() -> None:
    space = SearchSpace(
        {"a": CategoricalRange((1, 2, 3)), "b": NumericRange(0.0, 1.0)}, {"a": 3, "b": 0.5}
    )
    assert space.contains_default
    assert space.borders({}) == ["a"]
    assert space.borders({"a": 2, "b": 1.0}) == ["b"]
    outside = SearchSpace({"a": CategoricalRange((1, 2, 3))}, {"a": 40})
    assert not outside.contains_default
    assert outside.borders({}) == []


def conditional() -> SearchSpace:
    """Two kinds, of which one reads a number; the model's own kind is the other."""
    return SearchSpace(
        {
            "model.kind": CategoricalRange(("plain", "skewed")),
            "model.skew": NumericRange(1, 3, step=1),
        },
        {"model.kind": "plain", "model.skew": 9},
        {"model.skew": Condition("model.kind", ("skewed",), "plain")},
    )


def test_a_setting_that_no_choice_reads_is_no_part_of_a_trial() -> None:
    space = conditional()
    assert space.settings({"model.kind": "plain", "model.skew": 2}) == {"model.kind": "plain"}
    read = {"model.kind": "skewed", "model.skew": 2}
    assert space.settings(read) == read


def test_what_the_model_does_not_read_makes_no_other_settings() -> None:
    space = conditional()
    assert space.n_settings == 1 + 3  # plain; skewed with 1, 2 or 3
    assert len(list(space.all_settings())) == 4


def test_an_own_value_that_is_not_read_may_be_outside_its_range() -> None:
    space = conditional()
    assert space.contains_default
    assert space.encoded(space.default) == {"model.kind": "plain", "model.skew": 1}
    assert space.borders({"model.kind": "skewed", "model.skew": 3}) == ["model.skew"]
    assert space.borders({"model.kind": "plain"}) == []


def test_a_condition_on_a_setting_that_is_not_searched_holds_for_the_models_own_value() -> None:
    ranges = {"model.skew": NumericRange(1, 3, step=1)}
    condition = {"model.skew": Condition("model.kind", ("skewed",), "skewed")}
    space = SearchSpace(ranges, {"model.skew": 2}, condition)
    assert (space.n_settings, space.settings({"model.skew": 3})) == (3, {"model.skew": 3})
