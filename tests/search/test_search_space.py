"""Ranges of settings: what lies inside, what on the border, how many there are."""

from __future__ import annotations

from typing import Any

import pytest

from growthlab.search.search_space import CategoricalRange, NumericRange, Space, key_of


@pytest.mark.parametrize(
    ("values", "value", "inside"),
    [
        ((1, 2, 5), 2, True),
        ((1, 2, 5), 2.0, True),
        ((1, 2, 5), 3, False),
        ((0, 1), True, False),  # true is no number
        ((True, False), 1, False),
        (("none", "bm25"), "bm25", True),
        ((None, 5), None, True),
        (([32, 16], [64]), [64], True),
        (([32, 16], [64]), [16, 32], False),
    ],
)
def test_a_choice_holds_its_values(values: tuple[Any, ...], value: Any, inside: bool) -> None:
    assert CategoricalRange(values).contains(value) is inside


@pytest.mark.parametrize(
    ("values", "value", "border"),
    [
        ((10, 50, 200), 10, True),
        ((200, 10, 50), 200, True),  # the order of the numbers counts, not that of the list
        ((10, 50, 200), 50, False),
        ((10, 50), 10, False),  # of two, each would be an end
        (("a", "b", "c"), "a", False),  # words have no order
        ((True, False), True, False),
    ],
)
def test_the_ends_of_three_numbers_are_a_border(
    values: tuple[Any, ...], value: Any, border: bool
) -> None:
    assert CategoricalRange(values).at_border(value) is border


def test_near_the_end_of_an_interval_is_its_border() -> None:
    share = NumericRange(0.0, 1.0)
    assert [share.at_border(v) for v in (0.0, 0.005, 0.02, 0.5, 0.995)] == [1, 1, 0, 0, 1]
    rate = NumericRange(1e-4, 1.0, log=True)  # a hundredth of four decades: up to 1.096e-4
    assert [rate.at_border(v) for v in (1e-4, 1.09e-4, 1.11e-4, 1.0)] == [1, 1, 0, 1]


def test_whole_numbers_are_on_the_border_at_the_ends_alone() -> None:
    numbers = NumericRange(1, 9, step=2)
    assert numbers.n_values == 5
    assert list(numbers) == [1, 3, 5, 7, 9]
    assert [numbers.contains(v) for v in (3, 4, 11, True)] == [True, False, False, False]
    assert [v for v in numbers if numbers.at_border(v)] == [1, 9]


def test_many_whole_numbers_have_a_border_like_others() -> None:
    penalty = NumericRange(1, 10_000, step=1, log=True)  # a hundredth of four decades: from 9,120
    assert [penalty.at_border(v) for v in (1, 2, 9_000, 9_990)] == [True, False, False, True]


def test_a_space_counts_its_settings_unless_a_range_is_continuous() -> None:
    closed = Space(
        {"a": CategoricalRange((1, 2, 3)), "b": NumericRange(1, 2, step=1)}, {"a": 2, "b": 1}
    )
    assert closed.n_settings == 6
    assert len({key_of(s) for s in closed.all_settings()}) == 6
    assert (
        Space(
            {"a": CategoricalRange((1, 2)), "b": NumericRange(0.0, 1.0)}, {"a": 1, "b": 0.5}
        ).n_settings
        is None
    )
    assert Space({"a": NumericRange(0.5, 0.5)}, {"a": 0.5}).n_settings == 1


def test_lists_go_to_optuna_and_come_back() -> None:
    space = Space({"layers": CategoricalRange(([32, 16], [64])), "one": CategoricalRange((7,))}, {})
    params = space.encoded({"layers": [64], "one": 7})
    assert space.settings({"layers": params["layers"]}) == {"layers": [64], "one": 7}
    assert set(space.distributions()) == {"layers", "one"}


def test_borders_are_named_also_where_the_default_won() -> None:
    space = Space(
        {"a": CategoricalRange((1, 2, 3)), "b": NumericRange(0.0, 1.0)}, {"a": 3, "b": 0.5}
    )
    assert space.holds_default
    assert space.borders({}) == ["a"]
    assert space.borders({"a": 2, "b": 1.0}) == ["b"]
    outside = Space({"a": CategoricalRange((1, 2, 3))}, {"a": 40})
    assert not outside.holds_default
    assert outside.borders({}) == []
