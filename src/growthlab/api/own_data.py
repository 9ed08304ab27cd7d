"""Own data from Python: a file or a frame as a log or a customer table, and the data sets by name."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from growthlab.config.compose import compose
from growthlab.core.build import build
from growthlab.core.errors import ConfigError
from growthlab.core.plain_values import plain_values
from growthlab.core.pseudonyms import PLAIN
from growthlab.data.event_log import EventLog
from growthlab.data.frame_source import FrameSource
from growthlab.data.given_log import GivenLog
from growthlab.data.labelled_table import LabelledTable
from growthlab.data.source import DataSource, Source
from growthlab.data.tabular_file import TabularFile
from growthlab.workbench.own_log import OwnLog
from growthlab.workbench.set_up import prepared_data

Table = str | Path | pd.DataFrame
EVENTS, CUSTOMERS = "tabular_file", "customer_table"


def read(
    data: Table,
    columns: Mapping[str, str] | None = None,
    *,
    items: Table | None = None,
    users: Table | None = None,
    name: str | None = None,
    **settings: Any,
) -> OwnLog:
    """Your own events as a log: cleaned, in memory, and nothing is written to disk.

    Parameters
    ----------
    data : a file of any kind, a folder or a pattern, as ``data.path`` of ``data=tabular_file``; or a frame,
        whose columns that are none of ours stay in the log under their own names
    columns : our name -> yours, such as ``{"user_id": "customer", "timestamp": "time"}``; a name that is the
        same need not be mapped. Only `user_id` and the type of events are required.
    items, users : a file or a frame with a row an item or a user; ``item_columns`` and ``user_columns``
        map theirs
    name : of the log, in titles
    settings : any of ``conf/data/tabular_file.yaml``, such as ``event_type="purchase"``, ``timezone``,
        ``horizon_days``, ``filter_seen`` or ``personal_data``. ``user_ids`` is plain here: results name
        customers as you do.

    Raises
    ------
    ConfigError, DataError
        A setting that does not exist, a column that is missing, a row that cannot be read.
    """
    tables = {"items": items, "users": users}
    paths = {f"{n}_path": str(t) for n, t in tables.items() if isinstance(t, (str, Path))}
    frames: dict[str, Any] = {n: t for n, t in tables.items() if isinstance(t, pd.DataFrame)}
    node = {**_node(EVENTS), "user_ids": PLAIN, "label": name, **settings, **paths}
    if columns is not None:
        node["columns"] = dict(columns)
    if isinstance(data, pd.DataFrame):
        built: TabularFile = build(node, Source, "data")
        same = {f.name: getattr(built, f.name) for f in fields(built)}
        source: TabularFile = FrameSource(**same, events=data, **frames)
    elif frames:
        raise ConfigError(
            f"{next(iter(frames))} is a frame and the events are a file: give files, or frames"
        )
    else:
        source = build({**node, "path": _path_setting(data)}, Source, "data")
    with source.local() as local:
        log = local.cleaned(local.finished(local.read()))
    if not log.n_events:
        raise ConfigError(f"{log.name} has no events: {source.why_empty()}")
    return OwnLog.of(log, GivenLog.read_by(source, log, settings))


def read_customers(
    data: Table,
    columns: Mapping[str, str] | None = None,
    *,
    source: str = CUSTOMERS,
    **settings: Any,
) -> LabelledTable:
    """Your own table with a row a customer and a label, or of an experiment, for the tasks that take one.

    Parameters
    ----------
    data : a CSV or Parquet file, or a frame
    columns : our name -> yours, such as ``{"user_id": "id", "label": "left"}``
    source : ``customer_table``, or ``experiment_table`` for what an action changed
    settings : any of the source's file in ``conf/data``, such as ``positive="gone"`` or ``leave_out=["age"]``

    Raises
    ------
    ConfigError, DataError
        A setting that does not exist, or a table that cannot be learned from.
    """
    node = _node(source)
    if "columns" in node and columns is not None:
        node["columns"] = {**node["columns"], **columns}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        if isinstance(data, pd.DataFrame):
            data.to_parquet(path, index=False)
        else:
            path = Path(data)
        built: DataSource[Any] = build(
            {**node, "user_ids": PLAIN, **settings, "path": str(path)}, DataSource, "data"
        )
        table = built.cleaned(built.finished(built.read()))
    if not isinstance(table, LabelledTable):
        raise ConfigError(f"source={source} reads events: growthlab.read does that")
    return table


def dataset(name: str, *, cache: str = ".growthlab", **settings: Any) -> OwnLog | LabelledTable:
    """A data set by its file in ``conf/data``, prepared as ``growthlab prepare`` does and kept in the cache.

    Parameters
    ----------
    name : such as ``simulated_shop``; ``growthlab data list`` shows all
    cache : folder of prepared data
    settings : those of the file, such as ``path="online_retail.zip"``

    Raises
    ------
    ConfigError, DataError
        There is no such data set or setting, or its file is missing.
    """
    config = compose("prepare", [f"data={name}", f"cache={cache}"]).config
    source: DataSource[Any] = build({**plain_values(config.data), **settings}, DataSource, "data")
    data = prepared_data(source, config, name)
    if isinstance(data, EventLog) and isinstance(source, Source):
        given = ("history_events", "target_events")
        return OwnLog.of(data, GivenLog.read_by(source, data, given))
    assert isinstance(data, LabelledTable)
    return data


def _node(data: str) -> dict[str, Any]:
    """The settings of a file of ``conf/data``."""
    return dict(plain_values(compose("prepare", [f"data={data}"]).config.data))


def _path_setting(data: object) -> str | list[str]:
    """The setting ``data.path`` of one file or of several."""
    if isinstance(data, (list, tuple)):
        return [str(path) for path in data]
    if isinstance(data, (str, Path)):
        return str(data)
    raise ConfigError(f"a {type(data).__name__} cannot be read: give a path, or a pandas frame")
