"""The MLflow model registry: a version for each export, the newest the challenger, one champion."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from growthlab.export.manifest import Manifest
from growthlab.export.pyfunc import global_store, log_pyfunc

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

CHALLENGER = "challenger"
CHAMPION = "champion"


class Registered(NamedTuple):
    """A version in the registry; `champion`: it became that, there being none."""

    name: str
    version: str
    champion: bool

    @property
    def uri(self) -> str:
        """What ``mlflow.pyfunc.load_model`` takes."""
        return f"models:/{self.name}@{CHAMPION if self.champion else CHALLENGER}"


def register(
    bundle: str | Path, *, uri: str, run_id: str, client: MlflowClient | None = None
) -> Registered:
    """Log the bundle as a pyfunc of the run and register it as a new version with alias challenger.

    The registered model is named ``<data>-<task>``. The version becomes champion only where the
    model has none yet: replacing a champion is a decision, not a side effect.
    """
    from mlflow import MlflowClient

    client = client or MlflowClient(tracking_uri=uri, registry_uri=uri)
    manifest = Manifest.read(Path(bundle))
    info = log_pyfunc(bundle, uri=uri, run_id=run_id)
    name = f"{manifest.data}-{manifest.task}"
    _ensure(client, name, manifest)
    with global_store(uri):  # where MLflow looks the logged model up, whatever the client
        version = client.create_model_version(
            name,
            source=info.model_uri,
            run_id=run_id,
            tags=_tags(manifest),
            description=_description(manifest),
            model_id=info.model_id,
        )
    client.set_registered_model_alias(name, CHALLENGER, version.version)
    champion = CHAMPION not in client.get_registered_model(name).aliases
    if champion:
        client.set_registered_model_alias(name, CHAMPION, version.version)
    log.info("%s version %s is %s", name, version.version, CHAMPION if champion else CHALLENGER)
    return Registered(name, str(version.version), champion)


def _ensure(client: MlflowClient, name: str, manifest: Manifest) -> None:
    """The registered model, made where there is none; another process may be quicker."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name, tags={"data": manifest.data, "task": manifest.task})
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _tags(manifest: Manifest) -> dict[str, str]:
    """The lineage of a version."""
    tags = {
        "model": manifest.model,
        "kind": manifest.kind,
        "data_digest": manifest.data_digest,
        "split": manifest.split,
        "cutoff": manifest.cutoff or "",
        "seed": str(manifest.seed),
        "code_version": manifest.code_version,
        "bundle_version": manifest.version,
        "schema_version": str(manifest.schema_version),
    }
    metrics = {f"test/{n}": str(e["value"]) for n, e in manifest.metrics.items()}
    return tags | {f"valid/{n}": str(v) for n, v in manifest.valid.items()} | metrics


def _description(manifest: Manifest) -> str:
    return f"{manifest.model} for {manifest.task} on {manifest.data}, known up to {manifest.cutoff}"
