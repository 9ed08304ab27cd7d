"""growthlab rollback: make the previous version the champion again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from growthlab.config.compose import Command
from growthlab.registry.model_registry import (
    ROLLBACK,
    ChampionChange,
    history_of,
    how_to_serve_champion,
    move_champion,
    previous_champion,
    settle_interrupted,
)
from growthlab.tracking.code_version import code_version
from growthlab.tracking.run_links import model_address
from growthlab.tracking.who_runs import current_user
from growthlab.workbench.set_up import tracking_store


def run(command: Command) -> int:
    """Move the alias back, and print the history of champions."""
    config, store = command.config, tracking_store(command.config)
    store.require_exists("nothing to go back to")
    client, name = store.client, f"{command.choice('data')}-{command.choice('task')}"
    settle_interrupted(client, name)
    now, before = previous_champion(client, name)
    change = ChampionChange(
        version=before,
        before=now,
        how=ROLLBACK,
        by=str(config.by or current_user()),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        code=code_version(),
        why=str(config.why or ""),
    )
    if config.dry_run:
        print(f"{name}: version {before} would replace version {now}")
        print("dry_run=true: nothing was changed")
        return 0
    move_champion(client, name, change)
    print(f"{name}: version {before} is champion again, in place of version {now}")
    for each in history_of(client, name):
        shown = replace(each, why=f": {each.why}" if each.why else "")
        print(f"  {shown.at}  {shown.how:<9}  version {shown.version} by {shown.by}{shown.why}")
    print(how_to_serve_champion(name, command.choice("data"), now))
    print(f"look: {model_address(store, name)}")
    return 0
