"""Where a batch is answered is chosen by one setting; what it lacks is one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from growthlab.bundle.batch import ThisProcess
from growthlab.bundle.finished_blocks import LostEngineError, finished_blocks
from growthlab.cluster.batch_engine import batch_engine
from growthlab.core.errors import ConfigError
from growthlab.data.spark import spark_session


def test_the_default_is_this_process() -> None:
    assert isinstance(batch_engine("local", None), ThisProcess)


@pytest.mark.parametrize(
    ("engine", "master", "message"),
    [
        ("sprk", None, "engine=sprk: did you mean spark?"),
        ("local", "local[2]", r"spark_master=local\[2\] is a setting of engine=spark"),
    ],
)
def test_a_setting_that_does_not_fit_is_one_line(
    engine: str, master: str | None, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        batch_engine(engine, master)


def test_without_the_package_the_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spark_session, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'growthlab\[spark\]'"):
        batch_engine("spark", None)


def test_without_java_the_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark_session, "find_spec", lambda name: object())
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(ConfigError, match="needs Java 17 or newer"):
        batch_engine("spark", None)


def test_blocks_stay_where_the_engine_is_lost(tmp_path: Path) -> None:
    target = tmp_path / "lists.csv"

    def begun() -> None:
        with finished_blocks(target, "the same") as parts:
            parts.add(lambda path: path.write_text("1\n"))
            raise LostEngineError("gone")

    with pytest.raises(LostEngineError, match="gone"):
        begun()
    with finished_blocks(target, "the same") as parts:
        assert parts.rows == [2]
