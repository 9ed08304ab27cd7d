"""growthlab promote: a challenger to champion of the registry, if the evidence lets it."""

from __future__ import annotations

import getpass
import logging
import socket
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from growthlab.config.compose import Command, compose
from growthlab.core.build import build
from growthlab.core.errors import ConfigError, ExportError
from growthlab.evaluation.leaderboard_columns import build_metrics
from growthlab.promotion.evidence import evidence_of
from growthlab.promotion.gate import ROUTES, Decision, Evidence, Gate, decide
from growthlab.promotion.judged_run import JudgedRun
from growthlab.promotion.promotion_report import (
    PREFIX,
    Case,
    report_of,
    summary_of,
    tags_of,
    text_of,
    verdict_of,
)
from growthlab.registry.model_registry import (
    FIRST,
    PROMOTION,
    Change,
    Registered,
    champion_of,
    move_champion,
    note_refusal,
    register,
    require_champion,
    withdraw,
)
from growthlab.tracking.store import Store, code_version

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ruling:
    """A decision on a challenger with its evidence, and the report that says all of it."""

    case: Case
    evidence: Evidence
    decision: Decision
    gate: Gate

    @property
    def report(self) -> str:
        """The Markdown report."""
        return report_of(self.case, self.evidence, self.decision, self.gate)

    @property
    def summary(self) -> str:
        """The description of a version that is promoted by it."""
        return summary_of(self.case, self.evidence, self.decision, self.gate)

    @property
    def tags(self) -> dict[str, str]:
        """What the registry keeps of it."""
        return tags_of(self.case, self.evidence, self.decision, self.gate)


def run(found: Command) -> int:
    """Decide, show it, and unless it is a dry run do it; the status is 1 where the gate refuses."""
    ruling = promoted(found)
    case, decision = ruling.case, ruling.decision
    if found.config.dry_run:
        verdict = f"{verdict_of(case, decision)} (dry run): {case.challenger_model}"
        print(f"{verdict}: {decision.reason}\n\n{ruling.report}")
        print("dry_run=true: nothing was changed")
        return 0 if decision.promote else 1
    print(f"{text_of(decision)}\n")
    if decision.promote:
        print(f"promoted: {case.challenger_model} is champion of {case.name}: {decision.reason}")
        print(f"models:/{case.name}@champion")
        data = case.name.removesuffix(f"-{found.name('task')}")
        if case.champion_version:
            print(f"back to {case.champion_model}: growthlab rollback task={found.name('task')} "
                  f"data={data}")  # fmt: skip
        print(to_the_service(case.name, data, case.champion_version))
    else:
        print(f"refused: {decision.reason}")
    print(f"report: {_path(found, case)}")
    return 0 if decision.promote else 1


def promoted(found: Command) -> Ruling:
    """The ruling on the challenger of the config, carried out unless it is a dry run.

    Raises
    ------
    ConfigError, ExportError
        The challenger cannot stand: no such run, another task, not exportable, judged by another
        question than the champion; or another process changed the champion meanwhile.
    """
    config, store = found.config, build(found.config.tracking)
    assert isinstance(store, Store)
    store.require(f"challenger={config.challenger}")
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="growthlab-promote-") as folder:
        challenger = _named(found, store, f"challenger={config.challenger}", Path(folder))
        ruling = ruled(found, challenger, str(config.by or whoever()))
        if not config.dry_run:
            path = _path(found, ruling.case)
            _require_room(path)
            carry_out(ruling, challenger)
            path.write_text(ruling.report, encoding="utf-8")
    log.info("decided in %.1f s", time.perf_counter() - started)
    return ruling


def ruled(found: Command, challenger: JudgedRun, by: str) -> Ruling:
    """What the gate of the config says of the challenger; changes nothing."""
    config, tags = found.config, challenger.tags
    gate, task = build(config.gate, "gate"), build(config.task)
    usual = compose("promote", [f"task={found.name('task')}", "challenger=any"]).config
    nodes = {**usual.metrics, **(config.get("metrics") or {})}  # guards are on metrics of all kinds
    metrics, _ = build_metrics(nodes)
    name = challenger.registered_name
    version = champion_of(challenger.store.client, name)
    champion = before = rival = None
    if version is not None:
        before = str(version.tags.get(f"{PREFIX}objective") or usual.task.objective)
        champion = _champion(found, challenger, str(version.run_id), str(version.version))
        rival = None if champion.id == challenger.id else champion
    evidence = evidence_of(challenger, rival, task, metrics, gate, before)
    case = Case(
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
        dry_run=bool(config.get("dry_run")),
    )
    return Ruling(case, evidence, decide(evidence, gate), gate)


def carry_out(ruling: Ruling, challenger: JudgedRun) -> None:
    """Tags and report to run and version, and the alias where the gate lets it.

    A refusal changes nothing of a version that is or was champion.

    The version is the one whose bundle was judged, made where there is none and one is needed.

    Raises
    ------
    ExportError
        Another process changed the champion meanwhile: everything is as that process left it.
    """
    case, decision, store = ruling.case, ruling.decision, challenger.store
    client, tags = store.client, ruling.tags
    version = challenger.version
    if decision.promote:
        require_champion(client, case.name, case.champion_version)
        made = _registered(challenger) if version is None else None
        change = Change(
            version=made.version if made else str(version),
            before=case.champion_version,
            how=PROMOTION if case.champion_version else FIRST,
            by=case.by,
            at=case.at,
            code=case.code_version,
            why=ROUTES[decision.route],
        )
        try:
            move_champion(client, case.name, change, tags, ruling.summary)
        except ExportError:  # another process was quicker
            if made:
                withdraw(client, made, case.by)
            raise
    elif version is not None:
        note_refusal(client, case.name, version, tags, case.by)
    for key, value in tags.items():
        client.set_tag(challenger.id, key, value)
    client.log_text(challenger.id, ruling.report, case.artifact)


def to_the_service(name: str, data: str, left: str | None) -> str:
    """What is to be typed until a service answers with the champion in place of version `left`
    (None: there was none).
    """
    fetch = f"next: growthlab fetch model_uri=models:/{name}@champion to=FOLDER"
    if left is None:
        return fetch
    return (
        f"a service that watches a fetched folder answers with version {left} until then\n{fetch}\n"
        f"then, if that folder had been refreshed: growthlab refresh bundle=FOLDER data={data}"
    )


def whoever() -> str:
    """The user of this process and its machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # no entry in the user database, as in some containers
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def _registered(challenger: JudgedRun) -> Registered:
    """A version of the bundle that was judged."""
    store, folder = challenger.store, challenger.bundle.folder
    return register(folder, uri=store.address, run_id=challenger.id, client=store.client)


def _named(found: Command, store: Store, word: str, folder: Path) -> JudgedRun:
    """The run that a word names."""
    above = found.config.index_above
    return JudgedRun.named(store, word, found.name("task"), folder, index_above=above)


def _champion(found: Command, challenger: JudgedRun, run_id: str, version: str) -> JudgedRun:
    """The run that the champion came from, or the one that stands for it.

    It is the challenger's own where a newer version of that is registered: exported again.

    Raises
    ------
    ConfigError
        The challenger is the champion itself, or the run that stands for it is of another model.
    """
    if run_id == challenger.id:
        if challenger.version in (None, version):
            raise ConfigError(f"challenger={run_id} is the champion already (version {version})")
        return replace(challenger, version=version)
    store, folder = challenger.store, challenger.folder.parent
    named = _named(found, store, f"champion={run_id}", folder)
    champion = replace(named, version=version)
    given = found.config.get("champion")
    if given is None:
        return champion
    other = _named(found, store, f"champion={given}", folder)
    if other.id == challenger.id:
        raise ConfigError(f"champion={given} is the challenger itself")
    for what in ("model", "seed", *sorted(_settings(champion) | _settings(other))):
        own, wanted = _setting(other, what), _setting(champion, what)
        if own != wanted:
            raise ConfigError(
                f"champion={given} cannot stand for version {version}: its {what} is {own}, the "
                f"champion's is {wanted}"
            )
    return other


def _settings(judged: JudgedRun) -> set[str]:
    """The names of the parameters of the model."""
    return {name for name in judged.run.data.params if name.startswith("model.")}


def _setting(judged: JudgedRun, name: str) -> Any:
    return judged.run.data.params.get(name, judged.tags.get(name))


def _path(found: Command, case: Case) -> Path:
    """The file of the report, another one for each attempt."""
    name = f"{case.name}-{case.challenger_run[:8]}-{case.moment}.md"
    return Path(str(found.config.reports)) / name


def _require_room(path: Path) -> None:
    """Raise an `ExportError` where the report cannot be written, before anything is changed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise ExportError(f"reports={path.parent} cannot be written ({error.strerror})") from error
