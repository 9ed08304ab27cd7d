"""No text becomes a formula in a spreadsheet, and every raw text can be told from its cell."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from growthlab.core.csv_text import as_csv_text, raw_text

FORMULAS = [
    "=cmd()",
    "=1+1",
    "+1+1",
    "-1+1",
    "-cmd|' /C calc'!A0",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\ttea",
    "  =1",
    "\u00a0=1",
    "\u3000@x",
    "\ufeff=1",
    "\u200b+x",
    "\u202e=1",
    "\x00=1",
    "＝1",
    "＋x",
    "－x",
    "＠x",
    "−1+1",
    '=HYPERLINK("http://x","y")',
    "=",
    "+",
    "-tea",
]
HARMLESS = ["", "tea", "a=b", "'tea'", "''", "-5", "+5", "-1.5e3", ".5", "é", "007", "#1", "[a, b]"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_that_could_be_a_formula_gets_an_apostrophe(text: str) -> None:
    assert as_csv_text(text) == f"'{text}"
    assert raw_text(f"'{text}") == text


@pytest.mark.parametrize("text", HARMLESS)
def test_other_texts_and_numbers_stay_as_they_are(text: str) -> None:
    assert as_csv_text(text) == text
    assert raw_text(text) == text


texts = st.text(st.sampled_from("'=+-@ \t\r\n＝−1e.a\u200b\u00a0"), max_size=6) | st.text(
    max_size=8
)


@given(texts)
def test_the_raw_text_comes_back(text: str) -> None:
    assert raw_text(as_csv_text(text)) == text


@given(texts, texts)
def test_different_texts_have_different_cells(one: str, other: str) -> None:
    assert (as_csv_text(one) == as_csv_text(other)) == (one == other)


@given(texts)
def test_no_cell_begins_like_a_formula_unless_it_is_a_number(text: str) -> None:
    cell = as_csv_text(text)
    seen = "".join(c for c in cell if unicodedata.category(c)[0] not in "ZC")
    if seen[:1] in tuple("=+-@＝＋－＠−") and seen:
        float(cell)
