"""Calls of MLflow's client that an outbox can keep: as plain values, and as calls again; imports MLflow."""

from __future__ import annotations

import inspect
import math
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from growthlab.core.errors import ConfigError
from growthlab.tracking.outbox import KEY, Call, Outbox

EXPERIMENT = "experiment"  # of a kept call: the name, as another server may number otherwise
KEPT = (
    *("create_run", "log_batch", "log_inputs", "set_tag", "set_terminated", "update_run"),
    *("delete_run", "set_experiment_tag", "log_artifacts", "log_text"),
)
TEXTS = (".csv", ".html", ".json", ".md", ".txt", ".yaml")  # files in which ids of runs stand


@cache
def _signature(method: str) -> inspect.Signature:
    return inspect.signature(getattr(MlflowClient, method))


def named_arguments(
    method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments of a call by name."""
    bound = _signature(method).bind(None, *args, **kwargs)
    return {name: value for name, value in bound.arguments.items() if name != "self"}


def plain(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as values of JSON."""
    return {name: _plain(value) for name, value in arguments.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Metric):
        number = float(value.value)
        return {"metric": [value.key, number, value.timestamp, value.step]}
    if isinstance(value, (Param, RunTag, InputTag)):
        return {type(value).__name__: [value.key, str(value.value)]}
    if isinstance(value, DatasetInput):
        set_ = value.dataset
        fields = [set_.name, set_.digest, set_.source_type, set_.source, set_.schema, set_.profile]
        return {"dataset": fields, "tags": [_plain(tag) for tag in value.tags]}
    if isinstance(value, Mapping):
        return {str(name): _plain(child) for name, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(child) for child in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} cannot be kept")
    return value


def _object(value: Any) -> Any:
    if isinstance(value, list):
        return [_object(child) for child in value]
    if not isinstance(value, dict):
        return value
    if "metric" in value:
        return Metric(*value["metric"])
    if "dataset" in value:
        tags = [InputTag(*tag["InputTag"]) for tag in value["tags"]]
        return DatasetInput(Dataset(*value["dataset"]), tags)
    for kind in (Param, RunTag):
        if kind.__name__ in value:
            return kind(*value[kind.__name__])
    return value


def with_server_ids(value: Any, ids: Mapping[str, str]) -> Any:
    """The same value with the server's ids for those of runs that were begun without it."""
    if not ids:
        return value
    if isinstance(value, str):
        for local, server in ids.items():
            value = value.replace(local, server)
        return value
    if isinstance(value, Mapping):
        return {name: with_server_ids(child, ids) for name, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [with_server_ids(child, ids) for child in value]
    return value


def send(client: MlflowClient, box: Outbox) -> int:
    """Send what waits in an outbox, in its order; how many calls that were.

    A call that the server has already, as the answer got lost or the sender was killed, changes
    nothing there.

    Raises
    ------
    ConfigError
        The outbox holds another call than those of `KEPT`.
    """
    n_sent = 0
    for call in list(box.waiting()):
        _send_one(client, box, call)
        box.mark_sent(call)
        n_sent += 1
    return n_sent


def _send_one(client: MlflowClient, box: Outbox, call: Call) -> None:
    arguments = with_server_ids(call.arguments, box.ids)
    if call.method not in KEPT:
        raise ConfigError(
            f"{box.folder} holds a call {call.method!r}, which no outbox has: remove it"
        )
    name = arguments.pop(EXPERIMENT, None)
    if name is not None:
        arguments["experiment_id"] = _experiment(client, name)
    objects = {key: _object(value) for key, value in arguments.items()}
    if call.method == "create_run":
        key = call.arguments["tags"][KEY]
        objects["tags"][KEY] = key  # it stays what it was where the server's id is known already
        if key not in box.ids:
            box.add_id(key, find_or_create(client, objects))
    elif call.method == "log_artifacts":
        _upload(client, box, call, objects)
    elif call.method == "delete_run":
        if client.get_run(objects["run_id"]).info.lifecycle_stage == "active":
            client.delete_run(**objects)
    else:
        getattr(client, call.method)(**objects)


def find_or_create(client: MlflowClient, arguments: Mapping[str, Any]) -> str:
    """The id of the run with the same key, which is created if there is none."""
    query = f"tags.`{KEY}` = '{arguments['tags'][KEY]}'"
    found = client.search_runs([arguments["experiment_id"]], query, max_results=1)
    if found:
        return str(found[0].info.run_id)
    return str(client.create_run(**arguments).info.run_id)


def _experiment(client: MlflowClient, name: str) -> str:
    """The id of an experiment by its name, which is created where the server has lost it."""
    known = client.get_experiment_by_name(name)
    if known is not None:
        return str(known.experiment_id)
    try:
        return str(client.create_experiment(name))
    except MlflowException:  # another process was faster
        known = client.get_experiment_by_name(name)
        if known is None:
            raise
        return str(known.experiment_id)


def _upload(client: MlflowClient, box: Outbox, call: Call, arguments: dict[str, Any]) -> None:
    """Upload the files of a call; texts beside a bundle name runs by the server's ids."""
    kept = box.files_of(call)
    if not kept.is_dir():
        return  # sent before, and removed
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "files"
        shutil.copytree(kept, folder, symlinks=True)
        for path in folder.iterdir():
            if path.suffix in TEXTS and path.is_file() and not path.is_symlink():
                text = path.read_text(encoding="utf-8")
                path.write_text(with_server_ids(text, box.ids), encoding="utf-8")
        client.log_artifacts(**{**arguments, "local_dir": str(folder)})
