"""``data.engine=spark data.engine.master=...``: a part that nobody has without a word."""

from __future__ import annotations

import re

import pytest

from growthlab.config.compose import compose
from growthlab.core.build import build
from growthlab.core.errors import ConfigError
from growthlab.data.database import DUCKDB, DuckDBEngine
from growthlab.data.source import DataSource, Source
from growthlab.data.spark import spark_session
from growthlab.data.spark.spark_engine import SparkEngine
from growthlab.workbench.logged_config import command_from_logged, plain_config

ON_SPARK = ["data.engine=spark", "data.engine.master=local[2]"]


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spark and Java, whether they are here or not."""
    monkeypatch.setattr(spark_session, "find_spec", lambda name: name)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")


def source(words: list[str]) -> Source:
    made = build(compose("prepare", words).config.data, DataSource)
    assert isinstance(made, Source)
    return made


@pytest.mark.parametrize("data", ["simulated_shop", "tabular_file"])
def test_an_engine_is_chosen_by_its_place(data: str) -> None:
    made = source([f"data={data}", *ON_SPARK])
    assert made.engine == SparkEngine(master="local[2]")
    assert source([f"data={data}"]).engine is DUCKDB
    assert isinstance(source([f"data={data}", "data.engine=duckdb"]).engine, DuckDBEngine)


def test_what_is_prepared_does_not_depend_on_the_engine() -> None:
    assert source(ON_SPARK).key() == source([]).key()


def test_the_order_of_the_words_does_not_matter() -> None:
    assert source(ON_SPARK[::-1]).engine == source(ON_SPARK).engine


def test_a_run_does_not_log_its_engine_and_runs_again_on_that_of_its_command() -> None:
    logged = {**plain_config(compose("train", ON_SPARK)), "chosen": {}}
    assert "engine" not in logged["data"]
    again = command_from_logged(logged, compose("train", ON_SPARK))
    assert again.config.data.engine.master == "local[2]"
    assert "engine" not in command_from_logged(logged, compose("train", [])).config.data


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["data.engine=sparc"], "data.engine=sparc: did you mean spark?"),
        (
            ["data.engine.master=local[2]"],
            "data.engine.master is a setting of a part that is not chosen: add "
            "data.engine=duckdb or data.engine=spark",
        ),
        ([*ON_SPARK, "data.engine.cores=2"], "unknown setting data.engine.cores"),
        (["data.engine=duckdb", "data.engine.master=x"], "DuckDBEngine has no settings"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        compose("prepare", words)


def test_a_command_without_data_has_no_engine() -> None:
    with pytest.raises(ConfigError, match="unknown setting data"):
        compose("serve", ON_SPARK[:1])


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("pyspark", "sqlglot"):
        there = {"pyspark", "sqlglot"} - {package}
        monkeypatch.setattr(spark_session, "find_spec", {name: name for name in there}.get)
        with pytest.raises(
            ConfigError, match=rf"needs {package}: pip install 'growthlab\[spark\]'"
        ):
            SparkEngine()
    monkeypatch.setattr(spark_session, "find_spec", lambda name: name)
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(ConfigError, match=r"data\.engine=spark needs Java 17 or newer"):
        SparkEngine()


def test_a_master_that_does_not_answer_is_refused_at_once() -> None:
    said = r"data.engine.master=spark://127.0.0.1:1: nobody answers there"
    with pytest.raises(ConfigError, match=said):
        SparkEngine(master="spark://127.0.0.1:1")


@pytest.mark.parametrize("master", ["spark://127.0.0.1:port", "spark://head", "spark://"])
def test_an_address_without_a_port_is_refused_with_the_form(master: str) -> None:
    said = f"data.engine.master={master}: give spark://HOST:PORT of the master"
    with pytest.raises(ConfigError, match=said):
        SparkEngine(master=master)


@pytest.mark.parametrize("master", ["locl[2]", "local[x]", "host:7077", "local[2"])
def test_a_master_of_another_form_is_refused_before_spark_starts(master: str) -> None:
    said = re.escape(f"data.engine.master={master}: possible are local[2]")
    with pytest.raises(ConfigError, match=said):
        SparkEngine(master=master)
