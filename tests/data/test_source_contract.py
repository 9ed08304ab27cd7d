"""The contract of a data set: every file of conf/data keeps it, one that was just added too.

A source that reads files is also read where ``samples/NAME.yaml`` gives it a small one: settings of
the source, with paths from the folder of samples.
"""

from __future__ import annotations

import shutil
import socket
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from growthlab.config.compose import compose
from growthlab.config.conf_tree import choices
from growthlab.core.build import build
from growthlab.core.errors import DataError
from growthlab.core.histories import EVENT_TYPES
from growthlab.data.source import INPUT_FILE, DataSource, Source

NAMES = choices("data")
SAMPLES = Path(__file__).parent / "samples"


@cache
def node(name: str) -> Any:
    """The config of a data set."""
    return compose("prepare", [f"data={name}"]).config.data


@cache
def source_of(name: str) -> DataSource[Any]:
    """The source that the config builds."""
    source = build(node(name), DataSource)
    assert isinstance(source, DataSource)
    return source


EVENTS = [name for name in NAMES if isinstance(source_of(name), Source)]


def input_settings(source: DataSource[Any]) -> list[str]:
    """The settings that name a file."""
    return [f.name for f in fields(source) if f.metadata == INPUT_FILE]


def sampled(name: str, folder: Path) -> Any:
    """The source with its sample, copied to `folder`; a source that generates needs none."""
    source, sample = source_of(name), SAMPLES / f"{name}.yaml"
    settings = yaml.safe_load(sample.read_text()) if sample.exists() else {}
    inputs = input_settings(source)
    if inputs and not any(setting in settings for setting in inputs):
        pytest.skip(f"no sample: {sample.name} would name a small file")
    folder.mkdir(exist_ok=True)
    for setting in settings.keys() & set(inputs):
        settings[setting] = str(shutil.copy(SAMPLES / settings[setting], folder))
    return replace(source, **settings)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No network, and an empty working directory."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", EVENTS)
def test_the_config_builds_a_source_with_valid_use_settings(name: str) -> None:
    source = source_of(name)
    assert isinstance(source, Source)
    assert name.startswith(source.name)
    assert source.filter_seen in ("none", "purchased", "interacted")
    assert source.filter_seen_reason
    assert source.horizon_days is None or source.horizon_days > 0
    assert source.activity_days is None or source.activity_days > 0
    assert source.target_events
    assert set(source.target_events) <= set(source.history_events) <= set(EVENT_TYPES)


@pytest.mark.parametrize("name", NAMES)
def test_the_config_agrees_with_the_defaults_of_the_class(name: str) -> None:
    source = source_of(name)
    plain = type(source)()
    for setting in sorted(source.use_settings()):
        ours, default = getattr(source, setting), getattr(plain, setting)
        assert (tuple(ours) if isinstance(ours, list) else ours) == default, setting


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_of_the_class_is_in_the_config(name: str) -> None:
    parts = {"cleaning", "engine"}  # some have rules; data.engine=... adds an engine
    own = {f.name for f in fields(source_of(name))} - parts
    assert own <= set(node(name)), "a setting that is not there cannot be set without a +"


@pytest.mark.parametrize("name", NAMES)
def test_a_source_without_its_files_says_in_one_line_what_it_needs(
    name: str, offline: None
) -> None:
    source = source_of(name)
    if not input_settings(source):
        assert source.input_files() == []
        return
    with pytest.raises(DataError, match=rf"data={name}.*data\.path=") as error:
        source.input_files()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_not_there_is_named(name: str, offline: None) -> None:
    paths = [setting for setting in input_settings(source_of(name)) if "path" in setting]
    absent = {setting: f"absent_{setting}.csv" for setting in paths}
    if not absent:
        pytest.skip("the source reads no files")
    with pytest.raises(DataError, match=r"absent_\w*path\.csv") as error:
        replace(source_of(name), **absent).key()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", NAMES)
def test_reading_gives_the_same_log_each_time_and_the_cache_keeps_it(
    name: str, tmp_path: Path
) -> None:
    source = sampled(name, tmp_path / "files")
    first = source.prepare(tmp_path / "cache")
    assert all(n > 0 for what, n in first.counts.items() if what != "items")
    assert source.prepare(tmp_path / "cache").digest == first.digest
    assert source.prepare(tmp_path / "other_cache").digest == first.digest


@pytest.mark.parametrize("name", EVENTS)
def test_the_log_fits_the_use_settings_of_the_source(name: str, tmp_path: Path) -> None:
    source = sampled(name, tmp_path / "files")
    log = source.read()
    assert log.ordered_by == ("position" if source.horizon_days is None else "timestamp")
    types = set(log.query("SELECT DISTINCT event_type FROM events")["event_type"])
    assert types & set(source.target_events)
    assert not log.query("SELECT 1 FROM events WHERE user_id = '' LIMIT 1")["1"].size


@pytest.mark.parametrize("name", NAMES)
def test_the_cache_depends_only_on_content_and_rules(name: str, tmp_path: Path) -> None:
    source = sampled(name, tmp_path / "files")
    key = source.key()
    assert sampled(name, tmp_path / "elsewhere").key() == key
    assert replace(source, horizon_days=3.0).key() == key
    if isinstance(source, Source):
        assert replace(source, filter_seen="purchased").key() == key
        if source.cleaning is not None:
            assert replace(source, cleaning=None).key() != key
    for path in source.input_files():
        before = path.read_bytes()
        path.write_bytes(before + before.splitlines(keepends=True)[-1])
        assert source.key() != key, path
        path.write_bytes(before)
    assert source.key() == key


def test_every_sample_is_of_a_data_set() -> None:
    assert {path.stem for path in SAMPLES.glob("*.yaml")} <= set(NAMES)
