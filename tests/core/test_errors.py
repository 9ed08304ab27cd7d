"""The end of an error line: what would have been possible."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from growthlab.core.errors import near_matches, one_line


def test_a_misspelt_name_gets_the_close_ones_only() -> None:
    possible = ["item_knn", "user_knn", "markov"]
    assert near_matches("itemknn", possible) == "did you mean item_knn?"


def test_a_strange_name_gets_all_that_is_possible_in_order() -> None:
    assert near_matches("x", ["b", "a", "b"]) == "possible: a, b"


def test_a_long_list_is_cut() -> None:
    said = near_matches("x", [f"name{i:02d}" for i in range(30)])
    assert said.endswith("name19, ...")


def test_a_prefix_is_shown_and_not_compared() -> None:
    assert near_matches("epoch", ["epochs", "lr"], prefix="model.") == "did you mean model.epochs?"
    assert near_matches("x", ["lr"], prefix="model.") == "possible: model.lr"


def test_where_nothing_is_possible_it_says_so() -> None:
    assert near_matches("x", []) == "nothing is possible here"


@given(st.text(), st.lists(st.text(max_size=5), max_size=5))
def test_the_end_of_an_error_is_always_a_text(given: str, possible: list[str]) -> None:
    assert near_matches(given, possible)


def test_one_line_of_an_error_has_no_breaks_and_is_never_empty() -> None:
    assert one_line(ValueError("a\n  b")) == "a b"
    assert one_line(ValueError()) == "ValueError"
