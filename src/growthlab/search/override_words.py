"""Settings of a trial as text: as words of the command line, and shortened for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def as_word(value: Any) -> str:
    """A value as it is written on the command line.

    >>> as_word([1, None, True])
    '[1,null,true]'
    """
    if value is None:
        return "null"
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(as_word, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def override_words(overrides: Mapping[str, Any]) -> list[str]:
    """Settings as words of the command line: ``model.neighbours=50``."""
    return [f"{key}={as_word(value)}" for key, value in overrides.items()]


def settings_text(overrides: Mapping[str, Any]) -> str:
    """Settings for people, numbers with four significant digits.

    >>> settings_text({"model.neighbours": 50, "model.l2": 0.0123456, "model.normalize": False})
    'neighbours=50 l2=0.01235 normalize=false'
    """
    shown = {
        name.partition(".")[2]: f"{value:.4g}" if isinstance(value, float) else as_word(value)
        for name, value in overrides.items()
    }
    return " ".join(f"{n}={v}" for n, v in shown.items()) or "the model's own settings"
