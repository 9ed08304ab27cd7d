"""The code on which a source's cache depends: its own and its imports, and no other source."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from growthlab.data.cdnow import CDNOW
from growthlab.data.simulated_shop import SimulatedShop
from growthlab.data.source import Source
from growthlab.data.source_code import code_digest, code_files

READING = """
from growthlab.data.source import Source
from growthlab.data import columns

class Diary(Source):
    def read(self):
        from growthlab.data.normalise import to_utc
        return {answer}
"""


def names(source: type) -> set[str]:
    return {path.stem for path in code_files(source)}


def test_a_source_depends_on_its_module_and_all_that_it_imports_from_data() -> None:
    assert {"cdnow", "source", "cleaning", "event_log", "raw_tables"} <= names(CDNOW)
    assert {"simulated_shop", "shop_world", "shop_words"} <= names(SimulatedShop)


def test_a_source_does_not_depend_on_another() -> None:
    assert not names(CDNOW) & {"amazon", "tabular_file", "simulated_shop", "shop_world"}
    assert not names(SimulatedShop) & {"cdnow", "raw_tables", "online_retail"}


def written(folder: Path, answer: str, monkeypatch: pytest.MonkeyPatch) -> type[Source]:
    """A source in a module of its own outside the package."""
    (folder / "diary_source.py").write_text(READING.format(answer=answer))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "diary_source", raising=False)
    import diary_source  # type: ignore[import-not-found]

    return diary_source.Diary  # type: ignore[no-any-return]


def test_imports_of_modules_and_inside_functions_count_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diary = written(tmp_path, "1", monkeypatch)
    assert {"diary_source", "columns", "normalise"} <= names(diary)


def test_a_change_of_the_code_changes_the_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = code_digest(written(tmp_path, "1", monkeypatch))
    second = code_digest(written(tmp_path, "12", monkeypatch))
    assert first != second


def test_a_class_without_a_file_counts_by_its_base_classes() -> None:
    unwritten = type("Unwritten", (Source,), {"__module__": "no_such_module"})
    assert code_files(unwritten) == code_files(Source)
