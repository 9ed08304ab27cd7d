"""From a composed config to the plan of a campaign."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from growthlab.campaign.bundle_answers import BundleAnswers
from growthlab.campaign.campaign_tables import CampaignTables
from growthlab.campaign.channel_budgets import ChannelBudgets, channel_budgets
from growthlab.campaign.checker import PlanCheck
from growthlab.campaign.holdout import Holdout
from growthlab.campaign.offer_values import OfferValues
from growthlab.campaign.options import Options
from growthlab.campaign.plan_files import PRICES, earlier_prices, row_names
from growthlab.campaign.plan_settings import PlanSettings, caps_of
from growthlab.campaign.planning import CampaignPlan
from growthlab.campaign.table_columns import ENDINGS, table_path
from growthlab.core.errors import ConfigError, quoted
from growthlab.core.moments import parse_moment
from growthlab.core.path_names import is_path_name
from growthlab.core.plain_types import argument_types, type_mismatch
from growthlab.core.plain_values import plain_values
from growthlab.core.pseudonyms import find_or_create_key
from growthlab.tracking.lineage import Lineage


@dataclass(frozen=True)
class PlannedCampaign:
    """A plan, what it must satisfy, and where it comes from."""

    plan: CampaignPlan
    check: PlanCheck
    budgets: ChannelBudgets | None  # of the channels, where response curves spread the budget
    lineage: Lineage


def planned_campaign(config: Any) -> PlannedCampaign:
    """Read the tables and bundles of the config, and plan."""
    folder, settings = Path(str(config.tables)), _settings(config)
    if not folder.is_dir():
        raise ConfigError(
            f"tables={folder} is no folder: growthlab plan example=true writes an example to it"
        )
    tables = CampaignTables.read(folder)
    first = tables.times[0]
    if config.first_slot is not None:
        first = parse_moment(config.first_slot, "first_slot")
    tables = tables.limited_to(settings.days, first)
    budgets = channel_budgets(folder, tables, settings.budget)
    if budgets is not None:
        tables = budgets.limit(tables)
    answers = BundleAnswers.load(_paths(config, "bundles"), tables.times[0], config.stale_days)
    if table_path(folder, "values") is not None:
        values = OfferValues.read(folder, tables)
    else:
        customers = tables.customers["customer"].tolist()
        values = answers.values(customers, len(tables.channels), len(tables.offers))
    options = Options(tables, values, settings)
    holdout = Holdout(find_or_create_key(), settings.campaign, settings.control, settings.explore)
    plan = CampaignPlan.of(options, holdout, _start(config, options))
    plan = plan.with_items(answers, int(config.k))
    lineage = Lineage(
        data=settings.campaign, digest=_digest(folder), task="plan", split="",
        cutoff=str(tables.times[0]), source=str(folder),
        counts={"customers": len(options.customers), "offers": len(options.offers)},
    )  # fmt: skip
    return PlannedCampaign(plan, PlanCheck(tables, settings, holdout), budgets, lineage)


def _settings(config: Any) -> PlanSettings:
    everything = plain_values(config)
    given = {field.name: everything[field.name] for field in fields(PlanSettings)}
    types = argument_types(PlanSettings)
    for name, value in given.items():
        if wrong := type_mismatch(value, types[name]):
            raise ConfigError(f"{name} must be {wrong}, got {quoted(repr(value))}")
    for segment, least in given["minima"].items():
        if wrong := type_mismatch(least, int):
            raise ConfigError(f"minima.{segment} must be {wrong}, got {quoted(repr(least))}")
    if not is_path_name(given["campaign"]):
        raise ConfigError(f"campaign must be a name that can be a folder, got {given['campaign']}")
    return PlanSettings(**{**given, "caps": caps_of(given["caps"])})


def _paths(config: Any, name: str) -> list[str]:
    paths = plain_values(config)[name]
    if wrong := type_mismatch(paths, list[str]):
        raise ConfigError(f"{name} must be {wrong}, got {quoted(repr(paths))}")
    return list(paths)


def _start(config: Any, options: Options) -> np.ndarray | None:
    if config.warm_start is None:
        return None
    return earlier_prices(Path(str(config.warm_start)) / PRICES, row_names(options))


def _digest(folder: Path) -> str:
    """A hash of all tables."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.suffix in ENDINGS):
        digest.update(path.name.encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
