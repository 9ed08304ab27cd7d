"""A change of the champion that has begun: noted on the registered model until it is complete."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import RegisteredModel

BEGUN = "begun.champion"  # tag of the registered model
LONGEST = 5000  # characters of a tag that every store accepts


@dataclass(frozen=True)
class BegunChange:
    """The change, the tag of its entry in the history, and what the version looked like before.

    `before` has the old values of the version's tags that the change replaces, None where there was
    none; a description that is None is left as it is.
    """

    change: Mapping[str, Any]
    entry: str
    before: Mapping[str, str | None]
    description: str | None


def begin_change(
    client: MlflowClient, name: str, entry: str, change: Any, tags: Mapping[str, str]
) -> None:
    """Note what is about to change, with what is needed to take it back."""
    version = client.get_model_version(name, change.version)
    before = {key: version.tags.get(key) for key in [*tags, *tags_replaced(version.tags, tags)]}
    begun = BegunChange(asdict(change), entry, before, version.description or "")
    text = json.dumps(asdict(begun))
    if len(text) > LONGEST:  # values of an earlier decision: they cannot be brought back then
        text = json.dumps(asdict(begun) | {"before": dict.fromkeys(tags), "description": None})
    client.set_registered_model_tag(name, BEGUN, text)


def tags_replaced(present: Mapping[str, str], tags: Mapping[str, str]) -> list[str]:
    """The tags of an earlier decision that those of a new one replace though their names differ."""
    groups = {key.partition(".")[0] for key in tags}
    named = {key: key.partition(".") for key in present}
    return [k for k, (group, dot, _) in named.items() if dot and group in groups and k not in tags]


def change_begun(model: RegisteredModel | None) -> BegunChange | None:
    """The change that has begun and is not complete; None where there is none."""
    text = None if model is None else model.tags.get(BEGUN)
    return None if text is None else BegunChange(**json.loads(text))


def end_change(client: MlflowClient, name: str) -> None:
    """The change is complete, or taken back."""
    client.delete_registered_model_tag(name, BEGUN)


def take_back_change(client: MlflowClient, name: str, begun: BegunChange) -> None:
    """Undo what a change wrote before it moved the alias."""
    if begun.entry in client.get_registered_model(name).tags:
        client.delete_registered_model_tag(name, begun.entry)
    number = str(begun.change["version"])
    present = client.get_model_version(name, number).tags
    for key, value in begun.before.items():
        if value is not None:
            client.set_model_version_tag(name, number, key, value)
        elif key in present:
            client.delete_model_version_tag(name, number, key)
    if begun.description is not None:
        client.update_model_version(name, number, begun.description)
    end_change(client, name)
