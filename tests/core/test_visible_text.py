"""Characters that are not seen are written out, and texts in every script stay as they are."""

from __future__ import annotations

import pytest

from growthlab.core.visible_text import visible_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\u2066a\u2069", r"\u2066a\u2069"),
        ("a\rb", r"a\rb"),
        ("\x00\x7f\x9b", r"\x00\x7f\x9b"),
        ("\ufeffa\u2028b", r"\ufeffa\u2028b"),
        ("\udcff", r"\udcff"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_is_not_seen_is_written_out(text: str, shown: str) -> None:
    assert visible_text(text) == visible_text(text, keep_lines=True) == shown
    visible_text(text).encode()


def test_line_ends_are_kept_only_where_lines_are() -> None:
    assert visible_text("a\n\tb") == r"a\n\tb"
    assert visible_text("a\n\tb", keep_lines=True) == "a\n\tb"


@pytest.mark.parametrize(
    "text", ["tea", "чай", "茶", "चाय", "شاي", "👩\u200d🌾", "نمی\u200cخواهم", "a\u00a0b"]
)
def test_texts_of_every_script_stay(text: str) -> None:
    assert visible_text(text) == text
