r"""Characters that nobody sees but a terminal or a browser obeys, written out as escapes.

Colours and cursor moves of terminals, overrides of the direction of writing, and line ends that are
none to the eye can hide or forge what a text says. They become what Python writes for them.

>>> print(visible_text("tea\x1b[2Kcup\u202egnp.exe"))
tea\x1b[2Kcup\u202egnp.exe
>>> print(visible_text("two\nlines"))
two\nlines
"""

from __future__ import annotations

import re

# C0, DEL and C1 controls, marks of direction, line and paragraph separators, the byte order mark, lone
# surrogates (which no stream can write), and tag characters; joiners stay, as scripts and emoji need them
HIDDEN = (
    "\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff"
    "\ud800-\udfff\U000e0000-\U000e007f"
)
HIDDEN_AND_BREAKS = re.compile(f"[\\t\\n{HIDDEN}]")
HIDDEN_ALONE = re.compile(f"[{HIDDEN}]")


def visible_text(text: str, *, keep_lines: bool = False) -> str:
    """The text with such characters as escapes; `keep_lines` leaves line feeds and tabs alone."""
    pattern = HIDDEN_ALONE if keep_lines else HIDDEN_AND_BREAKS
    return pattern.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode("ascii")
