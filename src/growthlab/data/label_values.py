"""Labels as numbers: 0 and 1 for words of yes and no, amounts as they are."""

from __future__ import annotations

import numpy as np
import pandas as pd

from growthlab.core.errors import DataError, near_matches
from growthlab.data.columns import as_labels

WORDS = {"yes": 1.0, "y": 1.0, "true": 1.0, "t": 1.0, "no": 0.0, "n": 0.0, "false": 0.0, "f": 0.0}
MOST_SHOWN = 5  # words of a label in a message


def label_values(values: pd.Series, column: str, positive: str | None) -> np.ndarray:
    """The label as float64, NaN where it is missing.

    Numbers stay what they are; yes, y, true and t are 1, no, n, false and f are 0, in capitals or not.
    With `positive` that word alone is 1, and every other is 0.

    Raises
    ------
    DataError
        A label that is neither, with its row from 1; or `positive` is never there.
    """
    texts = as_labels(values).str.strip()
    texts = texts.mask(texts == "")
    if positive is not None:
        return _is_positive(texts, column, positive)
    numbers = texts.str.lower().map(WORDS)
    numbers = numbers.fillna(pd.to_numeric(texts, errors="coerce")).astype(np.float64)
    wrong = (numbers.isna() & texts.notna()) | np.isinf(numbers)
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise DataError(
            f"row {row + 1}: {column} {texts.iloc[row]!r} is neither a number nor yes or no (true or "
            f"false): name the word that counts as 1 with data.positive=WORD; there are {counted(texts)}"
        )
    return numbers.to_numpy()


def counted(texts: pd.Series) -> str:
    """The most frequent words with their number of rows: ``Yes (1,869), No (5,174)``."""
    counts = texts.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    shown = [f"{word} ({n:,})" for word, n in counts.head(MOST_SHOWN).items()]
    more = len(counts) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def _is_positive(texts: pd.Series, column: str, positive: str) -> np.ndarray:
    """1 for the word, 0 for others, NaN where there is none."""
    word = str(positive).strip()
    labels = (texts.str.lower() == word.lower()).astype(np.float64)
    if not labels.any():
        hint = near_matches(word, [str(each) for each in texts.dropna().unique()[:100]])
        raise DataError(f"data.positive={word}: {column} never has this word: {hint}")
    return labels.where(texts.notna()).to_numpy()
