"""growthlab fetch: download the bundle of a registered version to a folder that a service watches."""

from __future__ import annotations

from growthlab.config.compose import Command
from growthlab.registry.download import fetch
from growthlab.workbench.set_up import tracking_store


def run(command: Command) -> int:
    """Fetch and check the bundle and swap it in, unless the folder has this version already."""
    config = command.config
    store = tracking_store(config)
    store.require_exists("nothing to fetch")
    fetched = fetch(
        str(config.model_uri),
        str(config.to),
        uri=store.address,
        client=store.client,
        overwrite=bool(config.overwrite),
    )
    version = f"{fetched.registered} ({fetched.manifest.model} {fetched.manifest.version})"
    if not fetched.changed:
        print(f"{version} is in {config.to} already")
        if not fetched.as_exported:
            known_at = fetched.manifest.state_cutoff or fetched.manifest.refreshed or "another time"
            print(
                f"its customers are known as of {known_at} (growthlab refresh), which is kept; "
                "overwrite=true gives the exported state"
            )
        return 0
    before = f", in place of {fetched.before}" if fetched.before else ""
    print(f"{version} is in {config.to}{before}")
    print(f"next, if no service watches the folder yet: growthlab serve bundle={config.to}")
    return 0
