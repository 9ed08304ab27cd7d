"""growthlab fetch: the bundle of a registered version to a folder, from which a service takes it up."""

from __future__ import annotations

from growthlab.config.compose import Command
from growthlab.core.build import build
from growthlab.registry.download import fetch
from growthlab.tracking.store import Store


def run(command: Command) -> int:
    """Fetch, check and exchange; nothing changes where the model is there already."""
    config = command.config
    store = build(config.tracking)
    assert isinstance(store, Store)
    store.require_exists("nothing to fetch")
    got = fetch(
        str(config.model_uri),
        str(config.to),
        uri=store.address,
        client=store.client,
        overwrite=bool(config.overwrite),
    )
    what = f"{got.registered} ({got.manifest.model} {got.manifest.version})"
    if not got.changed:
        print(f"{what} is in {config.to} already")
        if not got.as_exported:
            known = got.manifest.state_cutoff or got.manifest.refreshed or "another time"
            print(
                f"its customers are known as of {known} (growthlab refresh), which stays so; "
                "as they were exported: overwrite=true"
            )
        return 0
    before = f", in the place of {got.before}" if got.before else ""
    print(f"{what} is in {config.to}{before}")
    print(f"next, where no service watches the folder yet: growthlab serve bundle={config.to}")
    return 0
