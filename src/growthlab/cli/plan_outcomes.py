"""growthlab plan outcomes: what happened after a plan, as tables that ab, ope and task=uplift learn from."""

from __future__ import annotations

from pathlib import Path

from growthlab.config.compose import Command
from growthlab.workbench.plan_learning import learning_tables


def run(command: Command) -> int:
    """Write the tables to ``output``/<name of the plan's folder>, and print what to do with them."""
    config = command.config
    folder = Path(str(config.output)) / Path(str(config.plan)).name
    learned = learning_tables(config, folder)
    learned.write(folder)
    for name, table in learned.tables.items():
        print(f"{folder / name}: {len(table):,} customers")
    print("\n".join([*(f"note: {fact}" for fact in learned.facts), "", *learned.commands]))
    return 0
