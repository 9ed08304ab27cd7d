"""The colours of texts and marks stand out from what is behind them, in the light and in the dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import growthlab

STYLE = (Path(growthlab.__file__).parent / "pages" / "templates" / "style.css").read_text()
LIGHT, DARK = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
TEXTS = ("ink", "quiet", "blue")  # blue: links
GROUNDS = ("grave", "watch", "fine", "paper")
MARKS = ("blue", "orange", "green", "other")  # lines and points of a chart


def colours(block: str) -> dict[str, str]:
    """The hexadecimal colours by name."""
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6})", block))


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2, from 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * d for d in colour[1:])
    parts = (int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4))
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_black_on_white_has_the_largest_contrast() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21.0)


@pytest.mark.parametrize("block", [LIGHT, DARK], ids=["light", "dark"])
def test_texts_can_be_read(block: str) -> None:
    named = {**colours(LIGHT), **colours(block)}
    paper = named["paper"]
    assert [t for t in TEXTS if contrast(named[t], paper) < 4.5] == []
    assert [g for g in GROUNDS if contrast(named["ink"], named[g]) < 4.5] == []
    assert [m for m in MARKS if contrast(named[m], paper) < 3.0] == []
