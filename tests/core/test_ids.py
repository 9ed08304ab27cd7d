"""One text for each id, however a file spells it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from growthlab.core.ids import (
    LostDigitsError,
    has_lost_digits,
    kept_ids,
    tidy_id,
    tidy_text,
    whole_number,
)


@pytest.mark.parametrize(
    ("spelt", "kept"),
    [
        (" ann ", "ann"),
        ("a\u00a0b", "a b"),
        ("a \t b\n", "a b"),
        ("ＳＫＵ－１２", "SKU-12"),
        ("ﾊﾟﾝ", "パン"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("cafe\u0301", "café"),
        ("张三\u3000", "张三"),
        ("007", "007"),
        ("-5", "-5"),
    ],
)
def test_blanks_width_invisible_signs_and_form_tell_no_ids_apart(spelt: str, kept: str) -> None:
    assert tidy_id(spelt) == kept


@pytest.mark.parametrize("word", ["", "  ", "NaN", "nan", "NULL", "None", "<NA>", "\\N", " None "])
def test_a_word_for_a_missing_value_is_no_id(word: str) -> None:
    assert tidy_id(word) is None


@pytest.mark.parametrize("word", ["NA", "none", "Nan", "0", "null-7"])
def test_what_may_be_an_id_is_one(word: str) -> None:
    assert tidy_id(word) == word


def test_numbers_that_were_floats_are_whole_again_where_all_ids_are_numbers() -> None:
    assert kept_ids(["123", "123.0", "1.23e2", 123, 123.0, None]) == ["123"] * 5 + [None]
    assert kept_ids(["1.0", "2.5"]) == ["1.0", "2.5"]  # versions
    assert kept_ids(["1.0", "SKU"]) == ["1.0", "SKU"]
    assert kept_ids(["12E4", "007"]) == ["12E4", "007"]  # a code
    assert whole_number("0012.0") == "12"


@pytest.mark.parametrize(
    "number", ["1.2345678901234568e+18", "9007199254740992.0", "1.23457E+12", "-9.3e18"]
)
def test_a_number_that_has_lost_digits_is_told(number: str) -> None:
    assert has_lost_digits(number)
    with pytest.raises(LostDigitsError):
        kept_ids(["1", number])


@pytest.mark.parametrize(
    "number", ["1234567890123456789012", "123.0", "1e+05", "1.234567890123E+12"]
)
def test_a_number_that_is_whole_in_its_digits_has_lost_none(number: str) -> None:
    assert not has_lost_digits(number)


@given(st.text(max_size=20))
def test_tidying_twice_changes_nothing(text: str) -> None:
    assert tidy_text(tidy_text(text)) == tidy_text(text)


@given(st.integers(-(2**53) + 1, 2**53 - 1))
def test_every_whole_number_that_a_float_holds_comes_back(number: int) -> None:
    assert kept_ids([float(number), number]) == [str(number)] * 2
