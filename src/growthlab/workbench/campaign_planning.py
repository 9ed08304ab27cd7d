"""From a composed config to the plan of a campaign."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from growthlab.campaign.audiences import with_audiences
from growthlab.campaign.bundle_answers import BundleAnswers
from growthlab.campaign.campaign_tables import CampaignTables
from growthlab.campaign.channel_budgets import ChannelBudgets, channel_budgets
from growthlab.campaign.checker import PlanCheck
from growthlab.campaign.decision_features import decision_features, feature_names
from growthlab.campaign.effect_values import LaterValue, effect_values
from growthlab.campaign.holdout import Holdout
from growthlab.campaign.offer_values import OfferValues
from growthlab.campaign.options import Options
from growthlab.campaign.plan_figures import row_names
from growthlab.campaign.plan_files import PRICES, earlier_prices
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
    features: pd.DataFrame  # of each customer, at the moment of decision
    budgets: ChannelBudgets | None  # of the channels, where response curves spread the budget
    lineage: Lineage


def planned_campaign(config: Any) -> PlannedCampaign:
    """Read the tables and bundles of the config, and plan."""
    folder, settings = Path(str(config.tables)), _settings(config)
    if not folder.is_dir():
        raise ConfigError(
            f"tables={folder} is no folder: growthlab plan example=true writes an example to it"
        )
    lists = _typed(config, "lists", str | None)
    tables = CampaignTables.read(folder)
    tables = with_audiences(tables, folder, None if lists is None else Path(lists))
    first = tables.times[0]
    if config.first_slot is not None:
        first = parse_moment(config.first_slot, "first_slot")
    tables = tables.limited_to(settings.days, first)
    budgets = channel_budgets(folder, tables, settings.budget)
    if budgets is not None:
        tables = budgets.limit(tables)
    answers = BundleAnswers.load(_typed(config, "bundles", list[str]))
    given = feature_names(tables, answers)
    answers.require_current(tables.times[0], config.stale_days, given)
    features = decision_features(tables, answers)
    values = _values(config, folder, tables, answers, features)
    options = Options(tables, values, settings)
    holdout = Holdout(
        find_or_create_key(), settings.campaign, settings.control, settings.explore,
        settings.lasting_control, settings.lasting_name,
    )  # fmt: skip
    plan = CampaignPlan.of(options, holdout, _start(config, options))
    plan = plan.with_items(answers, int(config.k))
    lineage = Lineage(
        data=settings.campaign, digest=_digest(folder), task="plan", split="",
        cutoff=str(tables.times[0]), source=str(folder),
        counts={"customers": len(options.customers), "offers": len(options.offers)},
    )  # fmt: skip
    return PlannedCampaign(plan, PlanCheck(tables, settings, holdout), features, budgets, lineage)


def _values(
    config: Any,
    folder: Path,
    tables: CampaignTables,
    answers: BundleAnswers,
    features: pd.DataFrame,
) -> OfferValues:
    """The values of the table, of effects, or of an amount: one of them, never added up."""
    kept = BundleAnswers.load(_typed(config, "retention", list[str]))
    later = LaterValue(
        kept,
        _typed(config, "retention_weight", float),
        _typed(config, "window_days", float | None),
    )
    if later.answers.effects and not answers.effects:
        raise ConfigError("retention adds to the effects of arms: name their bundles in bundles")
    if table_path(folder, "values") is not None:
        if answers.effects:
            raise ConfigError(
                f"{folder / 'values'} and bundles of effects both say what offers are worth, and a plan adds "
                "up values of one kind: leave one of them out"
            )
        return OfferValues.read(folder, tables)
    if answers.effects:
        kept.require_current(tables.times[0], config.stale_days, features.columns)
        return effect_values(answers, tables, features, later)
    customers = tables.customers["customer"].tolist()
    return answers.values(customers, len(tables.channels), len(tables.offers), features)


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


def _typed(config: Any, name: str, annotation: Any) -> Any:
    """A setting, if it has the type."""
    value = plain_values(config)[name]
    if wrong := type_mismatch(value, annotation):
        raise ConfigError(f"{name} must be {wrong}, got {quoted(repr(value))}")
    return value


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
