"""The ruling on a challenger: evidence, decision and report, and how it is carried out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from growthlab.core.atomic_write import atomic_file
from growthlab.core.errors import ConfigError, ExportError
from growthlab.pages.csv_table import csv_of_table
from growthlab.promotion.decision import Decision, Evidence, decide
from growthlab.promotion.decision_tags import TAG_PREFIX, tags_of, write_run_tags
from growthlab.promotion.evidence import evidence_of
from growthlab.promotion.gate import Gate
from growthlab.promotion.model_run import ModelRun
from growthlab.promotion.promotion_report import (
    PromotionCase,
    check_table,
    report_of,
    summary_of,
)
from growthlab.promotion.window_runs import different_settings
from growthlab.registry.model_registry import (
    FIRST,
    PROMOTION,
    ChampionChange,
    RegisteredVersion,
    champion_of,
    move_champion,
    note_refusal,
    register_bundle,
    require_champion,
    withdraw_version,
)
from growthlab.tasks.base import Task
from growthlab.tracking.code_version import code_version


class AlreadyChampionError(ConfigError):
    """There is nothing to promote: the challenger is the champion."""


@dataclass(frozen=True, kw_only=True)
class PromotionTerms:
    """The settings of a ruling.

    `task` is built from the config, whose objective may have been changed; `default_objective` is
    the task's own, used for a champion whose tags name none. `experiment` is the run of an experiment
    that decides in place of the evaluations. `stand_in` names another run of the
    champion's model and settings, which is judged in place of the champion's run.
    """

    gate: Gate
    task: Task
    task_name: str
    metrics: Mapping[str, Any]
    default_objective: str
    index_above: int
    stand_in: str | None = None
    experiment: str | None = None
    dry_run: bool = False


@dataclass(frozen=True)
class Ruling:
    """The decision on a challenger, its evidence, and the report of both."""

    case: PromotionCase
    evidence: Evidence
    decision: Decision
    gate: Gate

    @property
    def report(self) -> str:
        """The Markdown report."""
        return report_of(self.case, self.evidence, self.decision, self.gate)

    @property
    def table(self) -> str:
        """The checks as a CSV table."""
        return csv_of_table(pd.DataFrame(check_table(self.decision)))

    @property
    def summary(self) -> str:
        """The description of a version that the ruling promotes."""
        return summary_of(self.case, self.evidence, self.decision, self.gate)

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the decision in the registry."""
        return tags_of(self.case, self.evidence, self.decision, self.gate)


def rule_on(challenger: ModelRun, terms: PromotionTerms, by: str) -> Ruling:
    """The gate's ruling on the challenger against the champion of the registry; changes nothing.

    Raises
    ------
    ConfigError, ExportError
        The challenger is the champion already, or the two were not evaluated alike.
    """
    tags, name = challenger.tags, challenger.registered_name
    version = champion_of(challenger.store.client, name)
    champion = champion_objective = rival = None
    if version is not None:
        champion_objective = str(
            version.tags.get(f"{TAG_PREFIX}objective") or terms.default_objective
        )
        champion = _champion(terms, challenger, str(version.run_id), str(version.version))
        rival = None if champion.id == challenger.id else champion
    evidence = evidence_of(
        challenger, rival, terms.task, terms.metrics, terms.gate, champion_objective,
        terms.experiment,
    )  # fmt: skip
    case = PromotionCase(
        name=name,
        challenger_run=challenger.id,
        challenger_model=tags["model"],
        champion_run=None if champion is None else champion.id,
        champion_model=None if champion is None else champion.tags["model"],
        champion_version=None if version is None else str(version.version),
        data_digest=tags["data_digest"],
        split=tags["split"],
        cutoff=tags["cutoff"],
        challenger_version=challenger.version,
        bundle_version=challenger.bundle.manifest.version,
        by=by,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        code_version=code_version(),
        dry_run=terms.dry_run,
    )
    return Ruling(case, evidence, decide(evidence, terms.gate), terms.gate)


def carry_out(ruling: Ruling, challenger: ModelRun, report_file: Path | None = None) -> None:
    """Write tags and report to run, version and file, and move the alias if the gate allows it.

    The alias is moved last: a process that is killed leaves no champion without its evidence. The
    version is the one whose bundle was judged; it is registered here if there is none. A refusal does
    not change a version that is or was champion.

    Raises
    ------
    ExportError
        Another process changed the champion meanwhile: everything stays as that process left it.
    """
    case, decision, store = ruling.case, ruling.decision, challenger.store
    client, tags = store.client, ruling.tags
    version = challenger.version

    def record() -> None:
        write_run_tags(client, challenger.id, tags)
        client.log_text(challenger.id, ruling.report, case.artifact)
        client.log_text(challenger.id, ruling.table, case.table_artifact)
        if report_file is not None:
            with atomic_file(report_file) as file:
                file.write(ruling.report.encode())

    if decision.promote:
        require_champion(client, case.name, case.champion_version)
        new = _register(challenger) if version is None else None
        change = ChampionChange(
            version=new.version if new else str(version),
            before=case.champion_version,
            how=PROMOTION if case.champion_version else FIRST,
            by=case.by,
            at=case.at,
            code=case.code_version,
            why=decision.reason,
        )
        try:
            move_champion(client, case.name, change, tags, ruling.summary, record)
        except ExportError:  # another process moved it first
            if new:
                withdraw_version(client, new, case.by)
            raise
        return
    if version is not None:
        note_refusal(client, case.name, version, tags, case.by)
    record()


def _register(challenger: ModelRun) -> RegisteredVersion:
    """Register the bundle that was judged as a new version."""
    store, folder = challenger.store, challenger.bundle.folder
    return register_bundle(folder, uri=store.address, run_id=challenger.id, client=store.client)


def _champion(terms: PromotionTerms, challenger: ModelRun, run_id: str, version: str) -> ModelRun:
    """The champion's run, or the run that stands in for it.

    This is the challenger's own run where that run was exported again, as a newer version.

    Raises
    ------
    ConfigError
        The challenger is the champion itself, or the stand-in is a run of another model.
    """
    if run_id == challenger.id:
        if challenger.version in (None, version):
            raise AlreadyChampionError(
                f"challenger={run_id} is the champion already (version {version})"
            )
        return replace(challenger, version=version)

    def named(word: str) -> ModelRun:
        folder = challenger.folder.parent
        return ModelRun.named(
            challenger.store, word, terms.task_name, folder, index_above=terms.index_above
        )

    champion = replace(named(f"champion={run_id}"), version=version)
    if terms.stand_in is None:
        return champion
    other = named(f"champion={terms.stand_in}")
    if other.id == challenger.id:
        raise ConfigError(f"champion={terms.stand_in} is the challenger itself")
    for name, theirs, expected in different_settings(other, champion):
        raise ConfigError(
            f"champion={terms.stand_in} cannot stand in for version {version}: its {name} is "
            f"{theirs}, the champion's is {expected}"
        )
    return other
