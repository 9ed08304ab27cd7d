"""A bar for those who look, and silence for files."""

from __future__ import annotations

import sys

import pytest

from growthlab.core.progress import progress


def test_progress_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress([1, 2], "counting")) == [1, 2]
    assert capsys.readouterr() == ("", "")


def test_progress_shows_a_bar_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert list(progress(iter([1, 2]), "counting", total=2)) == [1, 2]
    out, err = capsys.readouterr()
    assert out == ""
    assert "counting" in err
