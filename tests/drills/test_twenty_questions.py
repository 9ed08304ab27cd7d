"""What a reviewer asks is answered in Chromium from the links that commands print."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.chromium import find_chromium

pytestmark = pytest.mark.drill

ROOT = Path(__file__).parents[2]


def test_every_question_is_answered_within_two_clicks(tmp_path: Path) -> None:
    find_chromium()
    script = ROOT / "docs" / "site" / "twenty_questions.py"
    words = ["--keep", str(tmp_path / "shop"), "--out", str(tmp_path / "pictures")]
    done = subprocess.run([sys.executable, script, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "pictures").glob("*.png"))) == 7
